// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// silu(gate) ∘ up, the gated unit of Llama's feed-forward layer.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

__device__ inline float silu(float x) { return x / (1.0f + expf(-x)); }

inline constexpr unsigned gate_threads = 128;

// h [tokens, hidden] of both [tokens, 2 · hidden]. Grid: [hidden / gate_threads, tokens].
static __global__ void gate_kernel(const float* both, unsigned hidden, float* h,
                                   std::size_t h_stride) {
  const unsigned i = blockIdx.x * gate_threads + threadIdx.x;
  if (i >= hidden) return;
  const float* const gate = both + std::size_t{blockIdx.y} * 2 * hidden;
  h[blockIdx.y * h_stride + i] = silu(gate[i]) * gate[hidden + i];
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
