// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Scores and N:M masks with the host's bits: the same float operations, none contracted, and ties
// broken the same way. Speed matters little here: a weight is pruned once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned prune_threads = 128;

// The first weight that something is wrong with, row · cols + col; all ones while there is none.
using first_wrong = unsigned long long;
inline constexpr first_wrong nothing_wrong = ~first_wrong{0};

// out [rows, cols] = the saliency of each weight. A thread a weight.
template <storage_scalar T, class S>
static __global__ void score_kernel(S saliency, const T* weight, std::size_t stride, unsigned rows,
                                    unsigned cols, float* out, std::size_t out_stride) {
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::size_t{rows} * cols) return;
  const std::size_t r = i / cols, c = i % cols;
  out[r * out_stride + c] = saliency(widen(weight[r * stride + c]), r, c);
}

// A thread a group of m channels. mask [rows][words] is zero.
template <storage_scalar T, class S>
static __global__ void mask_kernel(S saliency, const T* weight, std::size_t stride, unsigned rows,
                                   unsigned cols, nm_pattern p, unsigned long long* mask,
                                   unsigned words, first_wrong* wrong) {
  const auto groups = static_cast<unsigned>((cols + p.m - 1) / p.m);
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::size_t{rows} * groups) return;
  const auto r = static_cast<unsigned>(i / groups), first = static_cast<unsigned>(i % groups * p.m);
  const auto length = static_cast<unsigned>(p.m < cols - first ? p.m : cols - first);
  float score[longest_group];
  for (unsigned k = 0; k < length; ++k) {
    score[k] = saliency(widen(weight[r * stride + first + k]), r, first + k);
    if (!(score[k] >= 0.0f && score[k] <= 3.402823466e38f))
      atomicMin(wrong, static_cast<first_wrong>(std::size_t{r} * cols + first + k));
  }
  const std::uint32_t bits = largest_of(score, length, p.n);
  unsigned long long* const row = mask + std::size_t{r} * words;
  atomicOr(row + first / 64, static_cast<unsigned long long>(bits) << first % 64);
  if (first % 64 + length > 64)
    atomicOr(row + first / 64 + 1, static_cast<unsigned long long>(bits) >> (64 - first % 64));
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
