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

// Keys of one block's choice have 32 bits, of which this many at a time; those of many blocks have
// 31: bits of a positive float.
inline constexpr unsigned select_threads = 1024;
inline constexpr unsigned digit_bits = 8, digits = 1u << digit_bits;
inline constexpr unsigned wide_digit_bits = 11, wide_digits = 1u << wide_digit_bits;

// Orders as floats do, NaN above all, zeros of both signs alike.
__device__ inline std::uint32_t key_of_score(float score) {
  if (score != score) return 0xffffffffu;
  const std::uint32_t bits = __float_as_uint(score + 0.0f);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}

// Exactly min(k, inputs) channels, those of the largest scores, of equals the lowest: in ascending
// order. One block, as in compact.cuh.
template <class Score>
static __global__ void __launch_bounds__(select_threads)
    top_k_kernel(Score score, std::size_t k, const float* x, unsigned inputs, std::uint32_t* index,
                 float* value, std::uint32_t* count) {
  using scan = cub::BlockScan<unsigned, select_threads>;
  __shared__ typename scan::TempStorage scratch;
  __shared__ unsigned found[digits];
  __shared__ std::uint32_t prefix;  // of the key that is the last to stay
  __shared__ unsigned wanted;       // of the keys that begin with it
  const auto kept = static_cast<unsigned>(k < inputs ? k : inputs);
  if (threadIdx.x == 0) {
    prefix = 0;
    wanted = kept;
    *count = kept;
  }
  if (kept == 0) return;
  for (int shift = 32 - digit_bits; shift >= 0; shift -= digit_bits) {
    if (threadIdx.x < digits) found[threadIdx.x] = 0;
    __syncthreads();
    const std::uint32_t begins = prefix;
    for (unsigned c = threadIdx.x; c < inputs; c += select_threads) {
      const std::uint32_t key = key_of_score(score(x[c], c));
      if (static_cast<std::uint64_t>(key ^ begins) >> (shift + digit_bits) == 0)
        atomicAdd(&found[key >> shift & (digits - 1)], 1u);
    }
    __syncthreads();
    // Descending digits.
    const unsigned digit = digits - 1 - threadIdx.x;
    const unsigned mine = threadIdx.x < digits ? found[digit] : 0, want = wanted;
    unsigned before = 0;
    scan(scratch).ExclusiveSum(mine, before);
    if (before < want && want <= before + mine) {
      prefix = begins | digit << shift;
      wanted = want - before;
    }
    __syncthreads();
  }
  const std::uint32_t last = prefix;
  const unsigned ties = wanted;
  unsigned ties_before = 0, done = 0;
  for (unsigned c0 = 0; c0 < inputs; c0 += select_threads) {
    const unsigned c = c0 + threadIdx.x;
    const float v = c < inputs ? x[c] : 0.0f;
    const std::uint32_t key = c < inputs ? key_of_score(score(v, c)) : 0;
    const bool tie = c < inputs && key == last;
    unsigned place = 0, all = 0;
    scan(scratch).ExclusiveSum(tie ? 1u : 0u, place, all);
    __syncthreads();
    const bool keeps = (c < inputs && key > last) || (tie && ties_before + place < ties);
    ties_before += all;
    scan(scratch).ExclusiveSum(keeps ? 1u : 0u, place, all);
    __syncthreads();
    if (keeps) {
      index[done + place] = c;
      value[done + place] = v;
    }
    done += all;
  }
}

// Of |x|, over many blocks; what is known so far.
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
static __global__ void __launch_bounds__(select_threads)
    choose_digit_kernel(unsigned shift, selection* chosen, unsigned long long* counts) {
  constexpr unsigned each = wide_digits / select_threads;
  using scan = cub::BlockScan<unsigned long long, select_threads>;
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
