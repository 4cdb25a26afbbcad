// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The first half of a gated MLP on a device: h = silu(gate · x) ∘ (up · x), gate stacked on up, and
// the channels of h that the down projection will read. Where channels are skipped the product's
// last block applies the gate, so that the stack's outputs never exist; the other formats, and
// batches on tensor cores, take a second kernel. The bits are those of multiply() and then gate()
// for every format.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/gate.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/products/channel_product.cuh"
#include "sparsellm/multiply/activations.hpp"
#include "sparsellm/multiply/checks.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Whether gate and up are whole lanes, which a product can bring together.
template <class T>
[[nodiscard]] bool whole_lanes(const brick_weight<T>& w) noexcept {
  return w.shape.outputs % (2 * brick_outputs) == 0;
}
template <int Bits, bool Affine>
[[nodiscard]] bool whole_lanes(const quantized_weight<Bits, Affine>& w) noexcept {
  return w.shape.outputs % (2 * strip_outputs<Bits>) == 0;
}

// Whether gate and up of so many tokens are one kernel.
template <multiplied V>
[[nodiscard]] bool gated_at_once(const V& w, std::size_t tokens) noexcept {
  if constexpr (device_channels<V>)
    return !(on_tensor_cores<typename V::format> && tokens > few_tokens) && whole_lanes(w);
  else
    return false;
}
// Floats of the executor's that gated_product() holds.
template <multiplied V>
[[nodiscard]] std::size_t gated_floats(const V& w, std::size_t tokens) noexcept {
  return gated_at_once(w, tokens) ? 0 : tokens * w.shape.outputs;
}

template <multiplied V, class S>
void gated_product(cuda::executor& exec, const V& w, const stacked<S>& s,
                   matrix_view<const float, device_space> x, matrix_view<float, device_space> h) {
  if constexpr (device_channels<V>) {
    if (gated_at_once(w, x.rows())) return product_of<gated_tile>(exec, w, section_list(s), x, h);
  }
  const std::size_t tokens = x.rows(), hidden = h.cols();
  const auto held = exec.activations(tokens * 2 * hidden);
  float* const both = held.data();
  run_multiply(exec, w, s, x, matrix_view<float, device_space>(both, tokens, 2 * hidden));
  gate(exec, matrix_view<const float, device_space>(both, tokens, hidden, 2 * hidden),
       matrix_view<const float, device_space>(both + hidden, tokens, hidden, 2 * hidden), h);
}
template <multiplied V, class S>
void gated_product(cuda::executor& exec, const V& w, const S& s,
                   matrix_view<const float, device_space> x, matrix_view<float, device_space> h) {
  const section<S> all{0, w.shape.outputs, s};
  gated_product(exec, w, stacked<S>{&all, 1}, x, h);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// W [2 · hidden, inputs]: gate stacked on up; s: a pointwise sparsifier, or one for each section of
// W's outputs. x [tokens, inputs], h [tokens, hidden]. Throws shape_error when sizes do not fit.
template <detail::device::multiplied V, class S>
void multiply_gated(cuda::executor& exec, const V& w, const S& s,
                    std::type_identity_t<matrix_view<const float, device_space>> x,
                    std::type_identity_t<matrix_view<float, device_space>> h) {
  if constexpr (detail::fuses<S>()) {
    detail::check_weight(w);
    detail::check_gated(w.shape, x.cols(), h.cols());
    detail::check_floats(x.data(), h.data());
    require<shape_error>(x.rows() == h.rows() && x.rows() != 0, "multiply_gated: X has ", x.rows(),
                         " rows and H ", h.rows());
    detail::check_sections(s, 0, w.shape.outputs);
    detail::device::gated_product(exec, w, s, x, h);
  }
}
// One token: x [inputs], h [hidden].
template <detail::device::multiplied V, class S>
void multiply_gated(cuda::executor& exec, const V& w, const S& s,
                    std::type_identity_t<vector_view<const float, device_space>> x,
                    std::type_identity_t<vector_view<float, device_space>> h) {
  multiply_gated(exec, w, s, matrix_view<const float, device_space>(x.data(), 1, x.size()),
                 matrix_view<float, device_space>(h.data(), 1, h.size()));
}
// And `active` receives what `next` keeps of h, ready for the down projection.
template <detail::device::multiplied V, class S, pointwise_sparsifier Next>
void multiply_gated(cuda::executor& exec, const V& w, const S& s,
                    std::type_identity_t<vector_view<const float, device_space>> x,
                    std::type_identity_t<vector_view<float, device_space>> h, const Next& next,
                    active_set<device_space>& active) {
  multiply_gated(exec, w, s, x, h);
  sparsify(exec, next, h, active);
}

// Activations in half or bfloat16, in or out or both, vectors or matrices: widened to float and
// rounded once at the end, so the bits are those of the float product, rounded; the list is made of
// the rounded ones.
template <detail::device::multiplied V, class S, class X, class H>
requires(detail::narrow_activations<X> || detail::narrow_activations<H>)
void multiply_gated(cuda::executor& exec, const V& w, const S& s, X&& x, H&& h) {
  const detail::float_activations floats(
      exec, detail::as_view(x), detail::as_view(h),
      detail::device::gated_floats(w, detail::tokens_of(detail::as_view(x))));
  multiply_gated(exec, w, s, floats.x(), floats.y());
  floats.round();
}
template <detail::device::multiplied V, class S, class X, class H, pointwise_sparsifier Next>
requires(detail::narrow_activations<X> || detail::narrow_activations<H>)
void multiply_gated(cuda::executor& exec, const V& w, const S& s, X&& x, H&& h, const Next& next,
                    active_set<device_space>& active) {
  multiply_gated(exec, w, s, x, h);
  sparsify(exec, next, h, active);
}

// All of the above for a weight that owns its bytes.
template <packed_format F, class... Rest>
void multiply_gated(cuda::executor& exec, const packed_matrix<F, device_space>& w, Rest&&... rest) {
  multiply_gated(exec, w.view(), std::forward<Rest>(rest)...);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
