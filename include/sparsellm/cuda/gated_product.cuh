// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Llama's gated unit: h = silu(gate · x) ∘ (up · x), gate stacked on up. Where channels are skipped
// the product's last block applies the gate, so that the stack's outputs never exist; the other
// formats take a second kernel.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/channel_product.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/gate.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// h [tokens, hidden] of both [tokens, 2 · hidden], which holds gate and up of each token.
inline void gate(executor& exec, matrix_view<const float, device_space> both,
                 matrix_view<float, device_space> h) {
  require<shape_error>(both.cols() == 2 * h.cols() && both.rows() == h.rows() &&
                           both.stride() == both.cols() && h.rows() <= 65535,
                       "cuda::gate: ", h.rows(), "x", 2 * h.cols(),
                       " without gaps and at most 65535 rows expected, got ", both.rows(), "x",
                       both.cols());
  const auto hidden = static_cast<unsigned>(h.cols());
  const dim3 grid((hidden + gate_threads - 1) / gate_threads, static_cast<unsigned>(h.rows()));
  gate_kernel<<<grid, gate_threads, 0, exec.stream()>>>(both.data(), hidden, h.data(), h.stride());
  check(cudaGetLastError(), "cuda::gate: launch");
}

// Whether gate and up are whole lanes, which a product can bring together.
template <class T>
[[nodiscard]] bool gates_in_place(const brick_weight<T>& w) noexcept {
  return w.shape.outputs % (2 * brick_outputs) == 0;
}
template <int Bits, bool Affine>
[[nodiscard]] bool gates_in_place(const quantized_weight<Bits, Affine>& w) noexcept {
  return w.shape.outputs % (2 * strip_outputs<Bits>) == 0;
}

// W [2 · hidden, inputs], `s` with sections for gate and up (or one for both); x [tokens, inputs],
// h [tokens, hidden]. The bits are those of multiply() and then gate(). Throws shape_error when
// sizes do not fit.
template <packed_view W, pointwise_sparsifier S>
void multiply_gated(executor& exec, const W& w, const stacked<S>& s,
                    matrix_view<const float, device_space> x, matrix_view<float, device_space> h) {
  sparsellm::checks::runs<executor, typename W::format>();
  require<shape_error>(w.shape.outputs == 2 * h.cols() && w.shape.inputs == x.cols() &&
                           x.rows() == h.rows() && x.rows() != 0,
                       "cuda::multiply_gated: W is ", w.shape.outputs, "x", w.shape.inputs,
                       ", so x of its inputs and h of half its outputs expected, got ", x.rows(),
                       "x", x.cols(), " and ", h.rows(), "x", h.cols());
  sparsellm::checks::tiled(w, s);
  if constexpr (requires { gates_in_place(w); }) {
    if (gates_in_place(w)) return product_of<gated_tile>(exec, w, s, x, h);
  }
  const auto both = exec.activations(x.rows() * w.shape.outputs);
  multiply(exec, w, s, x, matrix_view<float, device_space>(both.data(), x.rows(), w.shape.outputs));
  gate(exec, {both.data(), x.rows(), w.shape.outputs}, h);
}
template <packed_format F, pointwise_sparsifier S>
void multiply_gated(executor& exec, const device_matrix<F>& w, const stacked<S>& s,
                    matrix_view<const float, device_space> x, matrix_view<float, device_space> h) {
  multiply_gated(exec, w.view(), s, x, h);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
