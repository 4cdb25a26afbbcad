// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// silu(gate) ∘ up, the activation of a gated MLP.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

__device__ inline float silu_of(float x) { return x / (1.0f + expf(-x)); }

inline constexpr unsigned gate_threads = 128;

// out [rows, cols] = silu(gates) ∘ ups, or silu(gates) where there are no ups. Grid: [cols /
// gate_threads, any number of rows].
static __global__ void gate_kernel(const float* gates, std::size_t gates_stride, const float* ups,
                                   std::size_t ups_stride, unsigned rows, unsigned cols, float* out,
                                   std::size_t out_stride) {
  const unsigned i = blockIdx.x * gate_threads + threadIdx.x;
  if (i >= cols) return;
  for (unsigned r = blockIdx.y; r < rows; r += gridDim.y) {
    const float gate = silu_of(gates[r * gates_stride + i]);
    out[r * out_stride + i] = ups == nullptr ? gate : gate * ups[r * ups_stride + i];
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
