// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of panel and channel_major weights of floats: which of the ways a product goes.
#pragma once

#include <cstddef>

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/layout_kind.hpp"

namespace SPARSELLM_PRODUCTS {

// Y [tokens, outputs] = W · what each section keeps of X, outputs that no section covers left
// alone. On one instruction set the whole product and a product of some of the outputs give the
// same bits.
template <storage_scalar T>
void brick_product(const executor_ref& exec, const brick_weight<T>& w, layout_kind layout,
                   const selection& s, const token_inputs& x, std::size_t tokens,
                   matrix_view<float> y);

// channel_major, one token: h [outputs / 2] = silu(gate · x) ∘ (up · x), gate stacked on up.
template <storage_scalar T>
void brick_gated_product(const executor_ref& exec, const brick_weight<T>& w, const selection& s,
                         const token_inputs& x, float* h);

}  // namespace SPARSELLM_PRODUCTS

#if SPARSELLM_DEFINES_PRODUCTS

#include "sparsellm/cpu/kernels/brick.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/products/channel_batch_product.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/listed_product.hpp"
#include "sparsellm/cpu/products/part_sums.hpp"
#include "sparsellm/cpu/products/tiled_product.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// What listed_product() calls for channel_major bricks.
template <storage_scalar T>
struct brick_channels {
  const brick_table<T>& kernels;
  const brick_weight<T>& w;
  static constexpr std::size_t task_bytes = 0;
  void operator()(index_range strips, active_view<> active, std::size_t ahead, std::byte*,
                  float* sums) const noexcept {
    kernels.channel_gemv(w, strips, active, ahead, sums);
  }
};

// What channel_batch_product() calls.
template <storage_scalar T>
struct brick_batch_channels {
  const brick_table<T>& kernels;
  const brick_weight<T>& w;
  // Reading the union never takes longer than reading every token's channels.
  static constexpr bool pays(std::size_t, const batch_lists::counts&) noexcept { return true; }
  static constexpr std::size_t shortest_run = brick_tuning::shortest_batch_run;
  static constexpr std::size_t task_bytes(std::size_t, std::size_t) noexcept { return 0; }
  void operator()(index_range strips, const active_channels& active, const float* x,
                  std::size_t tokens, std::byte*, float* sums, std::size_t stride) const noexcept {
    kernels.channel_batch(w, strips, active, x, tokens, sums, stride);
  }
};

template <storage_scalar T, class Finish>
void brick_listed_product(const executor_ref& exec, const brick_weight<T>& w, const cover& sections,
                          const token_inputs& x, const Finish& finish) {
  constexpr std::size_t run = brick_tuning::run_strips;
  listed_product(exec, w.shape, (w.strips() + run - 1) / run, sections, x[0],
                 brick_channels<T>{brick_kernels<T>(exec.isa), w}, finish);
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace SPARSELLM_PRODUCTS {

template <storage_scalar T>
void brick_product(const executor_ref& exec, const brick_weight<T>& w, layout_kind layout,
                   const selection& s, const token_inputs& x, std::size_t tokens,
                   matrix_view<float> y) {
  const cover sections(s, brick_outputs, w.shape.outputs);
  const bool skips = layout == layout_kind::channel_major;
  if (skips && tokens == 1)
    brick_listed_product(exec, w, sections, x, [&](const part_sums& sums) {
      store_parts(exec, sections, sums, y.data());
    });
  else if (skips && tokens <= brick_tuning::skipping_batch)
    (void)channel_batch_product(exec, w.shape, sections, x, tokens,
                                brick_batch_channels<T>{brick_kernels<T>(exec.isa), w}, y);
  else if (tokens == 1)
    panel_product(exec, w, sections, x, y.data());
  else
    tiled_product(exec, w, sections, x, tokens, y);
}

template <storage_scalar T>
void brick_gated_product(const executor_ref& exec, const brick_weight<T>& w, const selection& s,
                         const token_inputs& x, float* h) {
  const cover sections(s, brick_outputs, w.shape.outputs);
  brick_listed_product(exec, w, sections, x, [&](const part_sums& sums) {
    gate_parts(exec, sections, sums, w.shape.outputs / 2, h);
  });
}

}  // namespace SPARSELLM_PRODUCTS

#endif
