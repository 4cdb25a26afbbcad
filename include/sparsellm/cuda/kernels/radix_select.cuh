// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which key has a given rank, without sorting: count the keys by their top digit, find the digit
// that the rank falls into, go on with the keys that begin with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cub/block/block_scan.cuh>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Keys have 31 bits, those of a positive float, of which so many at a time.
inline constexpr unsigned rank_threads = 1024;
inline constexpr unsigned wide_digits = 1u << 11;

// What is known so far of |x|'s value of a rank.
struct selection {
  unsigned long long rank;        // among the keys that begin with `prefix`, from 0
  unsigned long long non_finite;  // values that have no rank
  std::uint32_t prefix;
};

// counts [wide_digits], zero: of the keys of x [rows, cols] that agree with the prefix above
// `above`, by their digit at `shift`.
static __global__ void count_digits_kernel(const float* x, std::size_t stride, unsigned rows,
                                           unsigned cols, unsigned shift, unsigned above,
                                           selection* chosen, unsigned long long* counts) {
  __shared__ unsigned found[wide_digits];
  for (unsigned d = threadIdx.x; d < wide_digits; d += blockDim.x) found[d] = 0;
  __syncthreads();
  const std::uint32_t prefix = chosen->prefix, mask = (1u << (above - shift)) - 1;
  const std::size_t n = std::size_t{rows} * cols;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
       i += std::size_t{gridDim.x} * blockDim.x) {
    const std::uint32_t key = __float_as_uint(x[i / cols * stride + i % cols]) & 0x7fffffffu;
    if (key >= 0x7f800000u) {
      if (above == 31) atomicAdd(&chosen->non_finite, 1ull);  // once
    } else if ((key ^ prefix) >> above == 0) {
      atomicAdd(&found[key >> shift & mask], 1u);
    }
  }
  __syncthreads();
  for (unsigned d = threadIdx.x; d < wide_digits; d += blockDim.x)
    if (found[d] != 0) atomicAdd(&counts[d], static_cast<unsigned long long>(found[d]));
}

// One block: takes the digit that the rank falls into, and leaves the counts zero.
static __global__ void __launch_bounds__(rank_threads)
    choose_digit_kernel(unsigned shift, selection* chosen, unsigned long long* counts) {
  constexpr unsigned each = wide_digits / rank_threads;
  using scan = cub::BlockScan<unsigned long long, rank_threads>;
  __shared__ typename scan::TempStorage scratch;
  unsigned long long mine[each], before[each];
  for (unsigned i = 0; i < each; ++i) {
    mine[i] = counts[threadIdx.x * each + i];
    counts[threadIdx.x * each + i] = 0;
  }
  const unsigned long long rank = chosen->rank;
  scan(scratch).ExclusiveSum(mine, before);
  __syncthreads();  // everybody has read the rank
  for (unsigned i = 0; i < each; ++i)
    if (before[i] <= rank && rank < before[i] + mine[i]) {
      chosen->prefix |= (threadIdx.x * each + i) << shift;
      chosen->rank = rank - before[i];
    }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
