// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// permute/swap_gains.hpp's sums, in its order, so that a block shuffle takes the same exchanges:
// over the rows one after the other where it adds doubles, in 16 lanes and chunks of 256 rows where
// it adds floats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned swap_threads = 128, gain_lanes = 16, gain_chunk = 256;

// The channels of a block, place by place.
struct swap_block {
  unsigned n, m;               // the pattern
  unsigned places, rows;       // rows padded to whole lanes
  const float* score;          // [slots][rows]
  const std::uint32_t* slot;   // [places]: where a place's scores lie
  float* bar;                  // [places][rows]
  double *rest, *kept, *gain;  // [places], [groups], [places][places]

  [[nodiscard]] __device__ unsigned first(unsigned group) const { return group * m; }
  [[nodiscard]] __device__ unsigned length(unsigned group) const {
    return min(m, places - first(group));
  }
};
struct swap_pair {
  std::uint32_t i, j;
};

// score [places][rows], zero, = the columns of scores that `channel` lists.
static __global__ void gather_scores_kernel(const float* scores, std::size_t stride, unsigned rows,
                                            const std::uint32_t* channel, unsigned padded,
                                            float* score) {
  const unsigned r = blockIdx.x * swap_threads + threadIdx.x;
  if (r < rows)
    score[std::size_t{blockIdx.y} * padded + r] = scores[r * stride + channel[blockIdx.y]];
}

// A group's scores in one row, largest first, and whose they are; of equals the earlier first.
struct group_ranking {
  float value[longest_group];
  std::uint8_t member[longest_group];

  template <class ScoreOf>
  __device__ group_ranking(unsigned n, const ScoreOf& score_of) {
    for (unsigned k = 0; k < n; ++k) {
      const float v = score_of(k);
      unsigned at = k;
      for (; at > 0 && value[at - 1] < v; --at) {
        value[at] = value[at - 1];
        member[at] = member[at - 1];
      }
      value[at] = v;
      member[at] = static_cast<std::uint8_t>(k);
    }
  }
};

// Bars, rests and kept scores of groups [gridDim.x]. A thread ranks a row; then a thread a sum adds
// the rows.
static __global__ void __launch_bounds__(swap_threads)
    refresh_groups_kernel(swap_block b, const std::uint32_t* groups) {
  __shared__ double gained[longest_group][swap_threads];  // of a member without itself, by row
  __shared__ double best_of[swap_threads];
  const unsigned group = groups[blockIdx.x], first = b.first(group), n = b.length(group);
  const unsigned top = min(b.n, n);
  double sum = 0;
  for (unsigned r0 = 0; r0 < b.rows; r0 += swap_threads) {
    const unsigned r = r0 + threadIdx.x, count = min(swap_threads, b.rows - r0);
    if (r < b.rows) {
      const group_ranking ranked(
          n, [&](unsigned k) { return b.score[std::size_t{b.slot[first + k]} * b.rows + r]; });
      double best = 0;
      for (unsigned k = 0; k < top; ++k) best += static_cast<double>(ranked.value[k]);
      best_of[threadIdx.x] = best;
      for (unsigned k = 0; k < n; ++k) {
        const unsigned member = ranked.member[k];
        const bool inside = k < b.n;
        const unsigned nth = inside ? b.n : b.n - 1;
        b.bar[std::size_t{first + member} * b.rows + r] = nth < n ? ranked.value[nth] : -INFINITY;
        gained[member][threadIdx.x] =
            best - static_cast<double>(ranked.value[inside ? k : top - 1]);
      }
    }
    __syncthreads();
    if (threadIdx.x <= n)
      for (unsigned k = 0; k < count; ++k)
        sum += threadIdx.x < n ? gained[threadIdx.x][k] : best_of[k];
    __syncthreads();
  }
  if (threadIdx.x < n) b.rest[first + threadIdx.x] = sum;
  if (threadIdx.x == n) b.kept[group] = sum;
}

// now [2 · gridDim.x]: what the groups of place i and of place j would keep, were the two
// exchanged. Grid: [pairs, 2].
static __global__ void __launch_bounds__(swap_threads)
    exchanged_kept_kernel(swap_block b, const swap_pair* pairs, double* now) {
  __shared__ float kept[longest_group][swap_threads];
  const swap_pair e = pairs[blockIdx.x];
  const unsigned out = blockIdx.y == 0 ? e.i : e.j, in = blockIdx.y == 0 ? e.j : e.i;
  const unsigned group = out / b.m, first = b.first(group), n = b.length(group);
  const unsigned top = min(b.n, n);
  double sum = 0;
  for (unsigned r0 = 0; r0 < b.rows; r0 += swap_threads) {
    const unsigned r = r0 + threadIdx.x, count = min(swap_threads, b.rows - r0);
    if (r < b.rows) {
      const group_ranking ranked(n, [&](unsigned k) {
        const unsigned place = first + k == out ? in : first + k;
        return b.score[std::size_t{b.slot[place]} * b.rows + r];
      });
      for (unsigned k = 0; k < top; ++k) kept[k][threadIdx.x] = ranked.value[k];
    }
    __syncthreads();
    if (threadIdx.x == 0)
      for (unsigned row = 0; row < count; ++row)
        for (unsigned k = 0; k < top; ++k) sum += static_cast<double>(kept[k][row]);
    __syncthreads();
  }
  if (threadIdx.x == 0) now[2 * blockIdx.x + blockIdx.y] = sum;
}

// What exchanging i and j would gain, for pairs of different groups of which one is fresh. 16 lanes
// a pair. Grid: [places / (swap_threads / 16), places].
static __global__ void __launch_bounds__(swap_threads)
    swap_gains_kernel(swap_block b, const std::uint8_t* fresh) {
  const unsigned lane = threadIdx.x % gain_lanes, i = blockIdx.y;
  const unsigned j = blockIdx.x * (swap_threads / gain_lanes) + threadIdx.x / gain_lanes;
  const unsigned mine = i / b.m, other = j / b.m;
  if (j >= b.places || other <= mine || (fresh[mine] == 0 && fresh[other] == 0)) return;
  const unsigned together = 0xffffu << (threadIdx.x % 32 - lane);
  const float* const bi = b.bar + std::size_t{i} * b.rows;
  const float* const bj = b.bar + std::size_t{j} * b.rows;
  const float* const si = b.score + std::size_t{b.slot[i]} * b.rows;
  const float* const sj = b.score + std::size_t{b.slot[j]} * b.rows;
  double all = 0;
  for (unsigned r0 = 0; r0 < b.rows; r0 += gain_chunk) {
    const unsigned end = min(r0 + gain_chunk, b.rows);
    float sum = 0;
    for (unsigned r = r0 + lane; r < end; r += gain_lanes) {
      const float keep_i = bi[r] > sj[r] ? bi[r] : sj[r];
      const float keep_j = bj[r] > si[r] ? bj[r] : si[r];
      sum += keep_i + keep_j;
    }
#pragma unroll
    for (unsigned width = gain_lanes / 2; width != 0; width /= 2)
      sum += __shfl_down_sync(together, sum, width, gain_lanes);
    all += static_cast<double>(sum);
  }
  if (lane == 0)
    b.gain[std::size_t{i} * b.places + j] =
        all + b.rest[i] + b.rest[j] - b.kept[mine] - b.kept[other];
}

// keys [count] = the gains at `at`
static __global__ void gather_gains_kernel(const double* gain, const std::uint32_t* at,
                                           unsigned count, double* keys) {
  const unsigned k = blockIdx.x * swap_threads + threadIdx.x;
  if (k < count) keys[k] = gain[at[k]];
}

// Entries of gain [places][places] above the diagonal that are worth an exchange.
struct worth_exchanging {
  const double* gain;
  std::uint32_t places;
  double bound;
  __device__ bool operator()(std::uint32_t at) const {
    return at / places < at % places && gain[at] > bound;
  }
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
