// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// run_multiply() for host executors: which product each format runs. The products themselves:
// channel_product.hpp (skips), dense_product.hpp (reads all), quantized_product.hpp,
// masked_product.hpp (N:M), bitmap_product.hpp (N:M that skips).
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/bitmap_product.hpp"
#include "sparsellm/cpu/channel_product.hpp"
#include "sparsellm/cpu/cover.hpp"
#include "sparsellm/cpu/dense_product.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/masked_product.hpp"
#include "sparsellm/cpu/quantized_product.hpp"
#include "sparsellm/cpu/selection.hpp"
#include "sparsellm/cpu/tasks.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// The kinds of views, by what multiplies them.
template <class V>
concept channel_view = std::same_as<typename V::format, channel_major<typename V::value_type>>;
template <class V>
concept panel_view = std::same_as<typename V::format, panel<typename V::value_type>>;
template <class V>
concept row_view = std::same_as<typename V::format, row_major<typename V::value_type>>;

// Inputs of one token.
template <class X>
concept token_input = std::same_as<X, vector_view<const float>> || std::same_as<X, normalised> ||
    std::same_as<X, active_view>;

template <class S>
[[nodiscard]] stacked<S> one(const section<S>& s) noexcept {
  return {&s, 1};
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// One token, a sparsifier for each section of the outputs.
template <host_executor E, cpu::channel_view V, pointwise_sparsifier S, cpu::token_input X>
void run_multiply(E& exec, const V& w, const stacked<S>& s, const X& x, vector_view<float> y) {
  const cpu::cover<S> sections(s, group_outputs);
  const auto& kernels = cpu::kernels_for<typename V::value_type>(cpu::isa_of(exec));
  const auto list = [&](const S& keep, std::size_t first, std::size_t last, std::uint32_t* index,
                        float* value) {
    return cpu::compact(kernels, keep, x, first, last, index, value);
  };
  cpu::channel_product<E, typename V::value_type>(exec, w, sections, list,
                                                  cpu::store_to(y.data(), sections));
}

template <host_executor E, cpu::panel_view V, pointwise_sparsifier S, cpu::token_input X>
void run_multiply(E& exec, const V& w, const stacked<S>& s, const X& x, vector_view<float> y) {
  cpu::panel_sections<E, typename V::value_type>(exec, w, cpu::cover<S>(s, group_outputs), x,
                                                 y.data());
}

template <host_executor E, quantized_view V, pointwise_sparsifier S, cpu::token_input X>
void run_multiply(E& exec, const V& w, const stacked<S>& s, const X& x, vector_view<float> y) {
  cpu::quantized_product<E, V::bits, V::affine>(
      exec, w, V::format::where, cpu::cover<S>(s, strip_outputs<V::bits>), 1,
      [&](std::size_t) -> const X& { return x; }, matrix_view<float>(y.data(), 1, y.size()));
}

template <host_executor E, masked_view V, pointwise_sparsifier S, cpu::token_input X>
void run_multiply(E& exec, const V& w, const stacked<S>& s, const X& x, vector_view<float> y) {
  cpu::masked_product<E, typename V::element>(
      exec, w, cpu::cover<S>(s, strip_rows), 1, [&](std::size_t) -> const X& { return x; },
      matrix_view<float>(y.data(), 1, y.size()));
}

// A batch, a sparsifier for each section.
template <host_executor E, class V, pointwise_sparsifier S>
requires(cpu::channel_view<V> ||
         cpu::panel_view<V>) void run_multiply(E& exec, const V& w, const stacked<S>& s,
                                               matrix_view<const float> x, matrix_view<float> y) {
  using T = typename V::value_type;
  const cpu::cover<S> sections(s, group_outputs);
  if (cpu::channel_view<V> && x.rows() <= cpu::skipping_batch)
    cpu::channel_batch_product<E, T>(exec, w, sections, x, y);
  else
    cpu::tiled_product<E, T>(exec, w, sections, x, y);
}

template <host_executor E, quantized_view V, pointwise_sparsifier S>
void run_multiply(E& exec, const V& w, const stacked<S>& s, matrix_view<const float> x,
                  matrix_view<float> y) {
  cpu::quantized_product<E, V::bits, V::affine>(
      exec, w, V::format::where, cpu::cover<S>(s, strip_outputs<V::bits>), x.rows(),
      [&](std::size_t t) { return x.row(t); }, y);
}

template <host_executor E, masked_view V, pointwise_sparsifier S>
void run_multiply(E& exec, const V& w, const stacked<S>& s, matrix_view<const float> x,
                  matrix_view<float> y) {
  using T = typename V::element;
  const cpu::cover<S> sections(s, strip_rows);
  if (x.rows() < cpu::expanding_batch)
    cpu::masked_product<E, T>(
        exec, w, sections, x.rows(), [&](std::size_t t) { return x.row(t); }, y);
  else
    cpu::expanded_product<cpu::masked_groups>(exec, static_cast<const masked_weight<T>&>(w),
                                              sections, x, y);
}

template <host_executor E, bitmap_view V, pointwise_sparsifier S, cpu::token_input X>
void run_multiply(E& exec, const V& w, const stacked<S>& s, const X& x, vector_view<float> y) {
  const cpu::cover<S> sections(s, bitmap_outputs);
  const auto& kernels = cpu::kernels_for<float>(cpu::isa_of(exec));
  const auto list = [&](const S& keep, std::size_t first, std::size_t last, std::uint32_t* index,
                        float* value) {
    return cpu::compact(kernels, keep, x, first, last, index, value);
  };
  cpu::bitmap_product<E, typename V::element>(exec, w, sections, list,
                                              cpu::store_to(y.data(), sections));
}

template <host_executor E, bitmap_view V, pointwise_sparsifier S>
void run_multiply(E& exec, const V& w, const stacked<S>& s, matrix_view<const float> x,
                  matrix_view<float> y) {
  using T = typename V::element;
  if (x.rows() < cpu::expanding_batch)
    for (std::size_t t = 0; t < x.rows(); ++t) run_multiply(exec, w, s, x.row(t), y.row(t));
  else
    cpu::expanded_product<cpu::bitmap_groups>(exec, static_cast<const bitmap_weight<T>&>(w),
                                              cpu::cover<S>(s, bitmap_outputs), x, y);
}

// row_major reads every row whole and takes no sections; the same for one token and many.
template <host_executor E, cpu::row_view V, pointwise_sparsifier S>
void run_multiply(E& exec, const V& w, const S& s, matrix_view<const float> x,
                  matrix_view<float> y) {
  const auto& kernels = cpu::kernels_for<typename V::value_type>(cpu::isa_of(exec));
  const std::size_t tasks = std::min<std::size_t>(w.shape.outputs, exec.concurrency());
  const section<S> all = cpu::whole(w.shape.outputs, s);
  cpu::with_masked(exec, cpu::cover<S>(cpu::one(all), 1), x, 0, [&](const auto& kept, float*) {
    exec.parallel_for(tasks, [&](std::size_t t) {
      const cpu::group_range rows = cpu::share(w.shape.outputs, t, tasks);
      kernels.row_dots(w.data, w.shape.inputs, rows.first, rows.last, kept(0), y);
    });
  });
}

template <host_executor E, cpu::row_view V, pointwise_sparsifier S, cpu::token_input X>
void run_multiply(E& exec, const V& w, const S& s, const X& x, vector_view<float> y) {
  auto* const kept = reinterpret_cast<float*>(exec.scratch(w.shape.inputs * sizeof(float)));
  cpu::mask(s, x, 0, w.shape.inputs, kept);
  run_multiply(exec, w, keep_all{}, matrix_view<const float>(kept, 1, w.shape.inputs),
               matrix_view<float>(y.data(), 1, y.size()));
}

// One sparsifier for all outputs: one section.
template <host_executor E, class V, pointwise_sparsifier S, class X, class Y>
requires(!cpu::row_view<V>) void run_multiply(E& exec, const V& w, const S& s, const X& x,
                                              const Y& y) {
  const section<S> all = cpu::whole(w.shape.outputs, s);
  run_multiply(exec, w, cpu::one(all), x, y);
}

// One token whose channels are listed already.
template <host_executor E, cpu::channel_view V>
void run_multiply(E& exec, const V& w, active_view active, vector_view<float> y) {
  const section<keep_all> all = cpu::whole(w.shape.outputs, keep_all{});
  const cpu::cover<keep_all> sections(cpu::one(all), group_outputs);
  const auto list = [&](keep_all, std::size_t first, std::size_t last, std::uint32_t* index,
                        float* value) {
    return cpu::copy_range(active, first, last, index, value);
  };
  cpu::channel_product<E, typename V::value_type>(exec, w, sections, list,
                                                  cpu::store_to(y.data(), sections));
}

template <host_executor E, bitmap_view V>
void run_multiply(E& exec, const V& w, active_view active, vector_view<float> y) {
  const section<keep_all> all = cpu::whole(w.shape.outputs, keep_all{});
  const cpu::cover<keep_all> sections(cpu::one(all), bitmap_outputs);
  const auto list = [&](keep_all, std::size_t first, std::size_t last, std::uint32_t* index,
                        float* value) {
    return cpu::copy_range(active, first, last, index, value);
  };
  cpu::bitmap_product<E, typename V::element>(exec, w, sections, list,
                                              cpu::store_to(y.data(), sections));
}

template <host_executor E, class V>
requires(!cpu::channel_view<V> && !bitmap_view<V>) void run_multiply(E& exec, const V& w,
                                                                     active_view active,
                                                                     vector_view<float> y) {
  run_multiply(exec, w, keep_all{}, active, y);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
