// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// run_multiply() for CUDA: which product each format runs. multiply() itself is the host's
// (multiply/multiply.hpp): one signature for every executor.
#pragma once

#include <concepts>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/convert.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/elements.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/products/bitmap_product.cuh"
#include "sparsellm/cuda/products/channel_product.cuh"
#include "sparsellm/cuda/products/nm_product.cuh"
#include "sparsellm/cuda/products/rows_product.cuh"
#include "sparsellm/cuda/products/semi_structured_product.cuh"
#include "sparsellm/cuda/products/tiled_product.cuh"
#include "sparsellm/cuda/sparsify.cuh"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/nm_weight.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {

// Views of weights that lie on the device.
template <class V>
concept device_view = packed_view<V> && std::same_as<typename V::space, device_space>;
template <class V>
concept device_rows = device_view<V> && row_view<V>;
template <class V>
concept device_channels = device_view<V> && (brick_view<V> || quantized_view<V>) &&
                          has_kernels<typename V::format::element>;
template <class V>
concept device_nm = device_view<V> && nm_view<V>;
template <class V>
concept device_bitmap = device_view<V> && bitmap_view<V>;
template <class V>
concept multiplied = device_rows<V> || device_channels<V> || device_nm<V> || device_bitmap<V>;

// Up to so many tokens products are bound by memory, the weights read once, and activations stay
// floats. More go to tensor cores, where weights have 16 bits or fewer.
inline constexpr std::size_t few_tokens = 8;
template <class F>
inline constexpr bool on_tensor_cores = !std::same_as<typename F::element, float>;
// What mma.sp multiplies.
template <class F>
inline constexpr bool on_sparse_tensor_cores =
    storage_scalar<typename F::element> && sizeof(typename F::element) == 2 && F::pattern.n == 2 &&
    F::pattern.m == 4;

// What kernels know of a view.
template <storage_scalar T>
const brick_weight<T>& weight_of(const brick_weight<T>& w) {
  return w;
}
template <int Bits, bool Affine>
const quantized_weight<Bits, Affine>& weight_of(const quantized_weight<Bits, Affine>& w) {
  return w;
}
template <class T>
const nm_weight<T>& weight_of(const nm_weight<T>& w) {
  return w;
}
template <class T>
const bitmap_weight<T>& weight_of(const bitmap_weight<T>& w) {
  return w;
}
template <storage_scalar T>
const row_weight<T>& weight_of(const row_weight<T>& w) {
  return w;
}

// The product on tensor cores, if so many tokens of this format go there.
template <class V, class S>
[[nodiscard]] bool multiplies_tiles(cuda::executor& exec, const V& w,
                                    const section_list<S>& sections,
                                    matrix_view<const float, device_space> x,
                                    matrix_view<float, device_space> y) {
  if constexpr (on_tensor_cores<typename V::format>) {
    if (x.rows() > few_tokens) {
      tiled_product(exec, weight_of(w), sections, x, y);
      return true;
    }
  }
  return false;
}

}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// A batch, a sparsifier for each section of the outputs; up to 8 tokens share a reading of the
// weights, and more go to tensor cores.
template <detail::device::device_rows V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  const detail::device::section_list sections(s);
  if (!detail::device::multiplies_tiles(exec, w, sections, x, y))
    detail::device::rows_product<typename V::element>(exec, w, sections, x, y);
}
template <detail::device::device_channels V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  const detail::device::section_list sections(s);
  if (!detail::device::multiplies_tiles(exec, w, sections, x, y))
    detail::device::product_of<detail::device::plain_tile>(exec, w, sections, x, y);
}
template <detail::device::device_nm V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  using F = typename V::format;
  const detail::device::section_list sections(s);
  if constexpr (detail::device::on_sparse_tensor_cores<F>) {
    if (x.rows() > detail::device::few_tokens)
      return detail::device::semi_structured_product(exec, w, sections, x, y);
    detail::device::nm_product<F>(exec, w, sections, x, y);
  } else {
    if (!detail::device::multiplies_tiles(exec, w, sections, x, y))
      detail::device::nm_product<F>(exec, w, sections, x, y);
  }
}
template <detail::device::device_bitmap V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  const detail::device::section_list sections(s);
  if (!detail::device::multiplies_tiles(exec, w, sections, x, y))
    detail::device::bitmap_product<typename V::element>(exec, w, sections, x, y);
}

// One sparsifier for all outputs: one section.
template <detail::device::multiplied V, pointwise_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const S& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  const section<S> all{0, w.shape.outputs, s};
  run_multiply(exec, w, stacked<S>{&all, 1}, x, y);
}

// One token.
template <detail::device::multiplied V, detail::fused_sparsifier S>
void run_multiply(cuda::executor& exec, const V& w, const S& s,
                  vector_view<const float, device_space> x, vector_view<float, device_space> y) {
  run_multiply(exec, w, s, matrix_view<const float, device_space>(x.data(), 1, x.size()),
               matrix_view<float, device_space>(y.data(), 1, y.size()));
}

// One token whose channels are listed already.
template <detail::device::multiplied V>
void run_multiply(cuda::executor& exec, const V& w, active_view<device_space> active,
                  vector_view<float, device_space> y) {
  const auto x = exec.activations(w.shape.inputs);
  detail::device::scatter(exec, active, x.view());
  run_multiply(exec, w, detail::device::nonzero{}, vector_view<const float, device_space>(x.view()),
               y);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
