// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Score, select, compact in one kernel: the surviving channels in ascending order. One block scans
// the vector: activations are few beside weights, and one block needs no second pass to know where
// the next one begins.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned compact_threads = 1024;

// index, value [inputs], count [1]
template <class S>
static __global__ void __launch_bounds__(compact_threads)
    compact_kernel(S keep, const float* x, unsigned inputs, std::uint32_t* index, float* value,
                   std::uint32_t* count) {
  __shared__ std::uint32_t before[compact_threads / 32];  // kept by the warps before, this round
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  std::uint32_t done = 0;  // kept in all rounds before
  for (unsigned c0 = 0; c0 < inputs; c0 += compact_threads) {
    const unsigned c = c0 + threadIdx.x;
    const float v = c < inputs ? x[c] : 0.0f;
    const bool keeps = c < inputs && keep.keeps(v, c);
    const std::uint32_t kept = __ballot_sync(~0u, keeps);
    if (lane == 0) before[warp] = static_cast<std::uint32_t>(__popc(kept));
    __syncthreads();
    if (warp == 0) {
      const std::uint32_t mine = before[lane];
      std::uint32_t sum = mine;
#pragma unroll
      for (unsigned step = 1; step < 32; step *= 2) {
        const std::uint32_t other = __shfl_up_sync(~0u, sum, step);
        if (lane >= step) sum += other;
      }
      before[lane] = sum;
    }
    __syncthreads();
    const std::uint32_t first = warp == 0 ? 0 : before[warp - 1];
    const std::uint32_t all = before[compact_threads / 32 - 1];
    if (keeps) {
      const std::uint32_t at =
          done + first + static_cast<std::uint32_t>(__popc(kept & ((1u << lane) - 1)));
      index[at] = c;
      value[at] = v;
    }
    done += all;
    __syncthreads();
  }
  if (threadIdx.x == 0) *count = done;
}

// x [channels], which is zero: x[index[i]] = value[i], or 1 where there are no values.
static __global__ void scatter_kernel(const std::uint32_t* index, const float* value,
                                      const std::uint32_t* count, float* x) {
  const unsigned n = *count;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    x[index[i]] = value == nullptr ? 1.0f : value[i];
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
