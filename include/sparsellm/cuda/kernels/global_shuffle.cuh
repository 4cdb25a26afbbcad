// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Mean scores, and dealing sorted channels to groups.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned deal_threads = 128;

// mean [channels] over the rows, added one after the other. A thread a channel.
static __global__ void mean_scores_kernel(const float* scores, std::size_t stride, unsigned rows,
                                          unsigned channels, double* mean) {
  const unsigned c = blockIdx.x * deal_threads + threadIdx.x;
  if (c >= channels) return;
  double sum = 0;
  for (unsigned r = 0; r < rows; ++r) sum += static_cast<double>(scores[r * stride + c]);
  mean[c] = sum / static_cast<double>(rows);
}

// channel [n] = 0, 1, ..; not_a_number: the first NaN of mean, untouched when there is none.
static __global__ void number_channels_kernel(const double* mean, unsigned n,
                                              std::uint32_t* channel, unsigned* not_a_number) {
  const unsigned c = blockIdx.x * deal_threads + threadIdx.x;
  if (c >= n) return;
  channel[c] = c;
  if (mean[c] != mean[c]) atomicMin(not_a_number, c);
}

// at [n]: what global_shuffle() deals to each place from channels sorted by their mean. A thread a
// place.
static __global__ void deal_kernel(const std::uint32_t* sorted, unsigned n, unsigned m, bool zigzag,
                                   std::uint32_t* at) {
  const unsigned place = blockIdx.x * deal_threads + threadIdx.x;
  if (place >= n) return;
  const unsigned group = place / m, slot = place % m, rest = n % m;
  // Groups that have this slot: the last may be short.
  const unsigned groups = n / m + (slot < rest ? 1 : 0);
  const unsigned before = slot * (n / m) + min(slot, rest);
  at[place] = sorted[before + (zigzag && slot % 2 != 0 ? groups - 1 - group : group)];
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
