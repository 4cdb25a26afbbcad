// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// silu(gate) ∘ up, the activation of a gated MLP.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

__device__ inline float silu_of(float x) { return x / (1.0f + expf(-x)); }

inline constexpr unsigned gate_threads = 128;

// out [rows, cols] = silu(gates) ∘ ups, or silu(gates) where there are no ups, in float and rounded
// once. Grid: [cols / gate_threads, any number of rows].
template <storage_scalar Gate, storage_scalar Up, storage_scalar Out>
static __global__ void gate_kernel(const Gate* gates, std::size_t gates_stride, const Up* ups,
                                   std::size_t ups_stride, unsigned rows, unsigned cols, Out* out,
                                   std::size_t out_stride) {
  const unsigned i = blockIdx.x * gate_threads + threadIdx.x;
  if (i >= cols) return;
  for (unsigned r = blockIdx.y; r < rows; r += gridDim.y) {
    const float gate = silu_of(widen(gates[r * gates_stride + i]));
    out[r * out_stride + i] =
        narrow<Out>(ups == nullptr ? gate : gate * widen(ups[r * ups_stride + i]));
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
