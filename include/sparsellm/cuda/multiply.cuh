// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// run_multiply() for CUDA: which product each format runs.
#pragma once

#include <concepts>
#include <cstddef>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/active_set.cuh"
#include "sparsellm/cuda/bitmap_product.cuh"
#include "sparsellm/cuda/channel_product.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/nm_product.cuh"
#include "sparsellm/cuda/rows_product.cuh"
#include "sparsellm/cuda/semi_structured_product.cuh"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

using device_vector = vector_view<const float, device_space>;
using device_output = vector_view<float, device_space>;

template <class V>
concept grouped_view = std::derived_from<V, brick_weight<typename V::value_type>>;
template <class V>
concept device_view =
    row_view<V> || grouped_view<V> || quantized_view<V> || nm_view<V> || bitmap_view<V>;

// What mma.sp multiplies. Up to nm_batch tokens the products are bound by memory, the weights
// read once, and activations stay floats.
template <class F>
inline constexpr bool on_tensor_cores =
    storage_scalar<typename F::element> &&
    sizeof(typename F::element) == 2 && F::pattern.n == 2 && F::pattern.m == 4;
inline constexpr std::size_t nm_batch = 8;

// What is not zero: a scattered active set's channels.
struct nonzero {
  [[nodiscard]] SPARSELLM_HD bool keeps(float x, std::size_t) const noexcept {
    return !(x == 0.0f);
  }
};
static_assert(pointwise_sparsifier<nonzero>);

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A batch, a sparsifier for each section of the outputs; up to 8 tokens share a reading of the
// weights.
template <cuda::row_view V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  cuda::rows_product(exec, w, s, x, y);
}

template <class V, pointwise_sparsifier S>
requires cuda::grouped_view<V> || quantized_view<V>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  cuda::product_of<cuda::plain_tile>(exec, w, s, x, y);
}

template <nm_view V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  using F = typename V::format;
  if constexpr (cuda::on_tensor_cores<F>) {
    if (x.rows() > cuda::nm_batch) return cuda::semi_structured_product(exec, w, s, x, y);
  }
  cuda::nm_product<F>(exec, w, s, x, y);
}

template <bitmap_view V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  cuda::bitmap_product<typename V::element>(exec, w, s, x, y);
}

// One token.
template <cuda::device_view V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s, cuda::device_vector x,
                  cuda::device_output y) {
  run_multiply(exec, w, s, matrix_view<const float, device_space>(x.data(), 1, x.size()),
               matrix_view<float, device_space>(y.data(), 1, y.size()));
}

// One sparsifier for all outputs: one section.
template <cuda::device_view V, pointwise_sparsifier S, class X, class Y>
void run_multiply(cuda::executor& exec, const V& w, const S& s, const X& x, const Y& y) {
  const section<S> all{0, w.shape.outputs, s};
  run_multiply(exec, w, stacked<S>{&all, 1}, x, y);
}

// One token whose channels are listed already.
template <cuda::device_view V>
void run_multiply(cuda::executor& exec, const V& w, active_view<device_space> active,
                  cuda::device_output y) {
  const auto x = exec.activations(w.shape.inputs);
  cuda::scatter(exec, active, x);
  run_multiply(exec, w, cuda::nonzero{}, cuda::device_vector(x), y);
}

// One token, by way of an active set that the caller owns: any sparsifier that sparsify() of this
// device knows; cuda/top_k.cuh has one.
template <packed_view W, class S>
void multiply(cuda::executor& exec, const W& w, const S& s, cuda::device_vector x,
              cuda::device_output y, cuda::active_set& active) {
  checks::runs<cuda::executor, typename W::format>();
  checks::vector_shapes<cuda::executor>(w, x, y);
  sparsify(exec, s, x, active);
  run_multiply(exec, w, active.view(), y);
}

// All of multiply() for a weight that owns its bytes.
template <packed_format F, class... Rest>
void multiply(cuda::executor& exec, const cuda::device_matrix<F>& w, Rest&&... rest) {
  multiply(exec, w.view(), std::forward<Rest>(rest)...);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
