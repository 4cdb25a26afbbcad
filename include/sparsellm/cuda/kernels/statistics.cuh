// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host's observers count, counted on the device. Counters are integers, so the order of
// atomic additions does not matter; sums are one thread's per channel, in the order of the rows,
// and have the host's bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/observe/entropy.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned statistics_threads = 256;

// x [rows, cols]; one row of blocks a row of x.
static __global__ void histogram_kernel(const float* x, std::size_t stride, unsigned rows,
                                        unsigned cols, const float* scale, histogram::bin* bins,
                                        unsigned long long* zeros, unsigned long long* non_finite) {
  const std::size_t all = std::size_t{rows} * cols;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < all;
       i += std::size_t{gridDim.x} * blockDim.x) {
    const float v = x[i / cols * stride + i % cols];
    const std::uint32_t magnitude =
        __float_as_uint(scale == nullptr ? v : __fmul_rn(v, scale[i % cols])) & 0x7fffffffu;
    if (magnitude == 0) {
      atomicAdd(zeros, 1ull);
    } else if (magnitude >= 0x7f800000u) {
      atomicAdd(non_finite, 1ull);
    } else {
      histogram::bin& bin = bins[histogram::bin_of(magnitude)];
      static_assert(sizeof(bin.count) == sizeof(unsigned long long));
      atomicAdd(reinterpret_cast<unsigned long long*>(&bin.count), 1ull);
      atomicMin(&bin.smallest, magnitude);
      atomicMax(&bin.largest, magnitude);
    }
  }
}

// A thread a channel.
static __global__ void channel_stats_kernel(const float* x, std::size_t stride, unsigned rows,
                                            unsigned channels, float firing_threshold,
                                            channel_stats::sums* sums) {
  const unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  channel_stats::sums s = sums[c];
  for (unsigned r = 0; r < rows; ++r) {
    const float v = x[r * stride + c];
    const double wide = v;
    s.sum_abs += fabs(wide);
    s.sum_squares = __dadd_rn(s.sum_squares, __dmul_rn(wide, wide));
    if (v < s.min) s.min = v;
    if (v > s.max) s.max = v;
    s.fired += fabsf(v) > firing_threshold ? 1 : 0;
  }
  sums[c] = s;
}

// A thread a channel, which nobody else counts.
static __global__ void entropy_kernel(const float* x, std::size_t stride, unsigned rows,
                                      unsigned channels, const entropy::bin_range* ranges,
                                      unsigned bins, bool absolute, std::uint32_t* counts,
                                      unsigned long long* non_finite) {
  const unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const entropy::bin_range range = ranges[c];
  const auto last = static_cast<double>(bins - 1);
  for (unsigned r = 0; r < rows; ++r) {
    const float v = x[r * stride + c];
    const double wide = absolute ? fabs(static_cast<double>(v)) : static_cast<double>(v);
    if (!(fabs(wide) <= 3.402823466e38)) {
      atomicAdd(non_finite, 1ull);
      continue;
    }
    const double place = floor(__dmul_rn(__dadd_rn(wide, -range.low), range.bins_per_unit));
    const double bin = place < 0 ? 0 : place > last ? last : place;
    ++counts[std::size_t{c} * bins + static_cast<std::size_t>(bin)];
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
