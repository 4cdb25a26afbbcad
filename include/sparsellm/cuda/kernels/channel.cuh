// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// y = W · s(x) for weights whose channels are contiguous: the weights of a skipped channel are
// never read (TEAL, arXiv 2408.14690, section 4). A warp walks a part of the channels of a tile of
// outputs. First 32 lanes compare 32 activations at a time and list in shared memory what is kept;
// then the listed channels' weights are read, four rows on their way while four are multiplied. The
// warps of a block and then the blocks of a tile are added in ascending order, so results do not
// depend on scheduling, and a skipped channel is exactly a zero activation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/channel_list.cuh"
#include "sparsellm/cuda/kernels/gate.cuh"
#include "sparsellm/cuda/kernels/split_sums.cuh"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned channel_warps = 4;  // of a block, a part of the channels each

// How a product is cut. Outputs of y in [first, last) are stored, by the tiles from first_tile on.
struct channel_cut {
  unsigned part, first_tile, first, last;
};

// Which of a weight's lanes a lane of a tile is, and what becomes of its outputs.
struct plain_tile {
  static constexpr unsigned width = 1;  // sums stored together
  template <class Lane>
  __device__ static unsigned place(const typename Lane::weight&, unsigned tile, unsigned lane) {
    return tile * 32 + lane;
  }
  __device__ static float result(const float (&sum)[1]) { return sum[0]; }
};
// Gate stacked on up, in whole lanes: half a warp has outputs of the gate, the other half the same
// outputs of up.
struct gated_tile {
  static constexpr unsigned width = 2;
  template <class Lane>
  __device__ static unsigned place(const typename Lane::weight& w, unsigned tile, unsigned lane) {
    const unsigned all = Lane::lanes(w), in_half = tile * 16 + lane % 16;
    if (in_half >= all / 2) return all;  // behind the last
    return (lane < 16 ? 0 : all / 2) + in_half;
  }
  __device__ static float result(const float (&sum)[2]) { return silu_of(sum[0]) * sum[1]; }
};

// The sums of a block's warps, then of a tile's blocks. y has Tile::width times fewer outputs than
// the weight.
template <class Lane, int Tokens, class Tile>
__device__ void add_parts(const typename Lane::weight& w, const channel_cut& cut,
                          const float (&total)[Tokens][Lane::outputs], const token_batch& batch,
                          float* partial, unsigned* tickets) {
  constexpr unsigned tile = 32 * Lane::outputs, lanes = 32 / Tile::width;
  __shared__ float sums[channel_warps][tile];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const split_sums<tile, Tile::width> splits(partial, tickets, batch.tokens);
  // Output j of a lane. Half a warp reads one j and half the next: every other one is turned by
  // half a warp, so that the two are in different banks.
  const auto in_row = [](unsigned j, unsigned l) {
    return j * 32 + (Tile::width == 1 ? l : l ^ j % 2 * lanes);
  };
  const auto store = [&](unsigned t, unsigned i, const float (&sum)[Tile::width]) {
    const unsigned o = Lane::output(
        Tile::template place<Lane>(w, cut.first_tile + blockIdx.x, i % lanes), i / lanes);
    if (o >= cut.first && o < cut.last) batch.y[t * batch.y_stride + o] = Tile::result(sum);
  };
#pragma unroll
  for (unsigned t = 0; t < Tokens; ++t) {
    if (t >= batch.tokens) break;
#pragma unroll
    for (unsigned j = 0; j < Lane::outputs; ++j) sums[warp][in_row(j, lane)] = total[t][j];
    __syncthreads();
    for (unsigned i = threadIdx.x; i < tile / Tile::width; i += channel_warps * 32) {
      float sum[Tile::width];
#pragma unroll
      for (unsigned k = 0; k < Tile::width; ++k) {
        const unsigned at = in_row(i / lanes, k * lanes + i % lanes);
        sum[k] = sums[0][at];
#pragma unroll
        for (unsigned p = 1; p < channel_warps; ++p) sum[k] += sums[p][at];
      }
      splits.keep(t, i, sum, store);
    }
    __syncthreads();
  }
  splits.add(store);
}

// rows_in_flight rows of weights.
template <class Lane>
struct row_batch {
  typename Lane::words raw[rows_in_flight];

  template <class List>
  __device__ void load(const Lane& mine, const List& list, unsigned at) {
    const uint4 row = *reinterpret_cast<const uint4*>(&list.row[at]);
    const std::uint32_t rows[rows_in_flight] = {row.x, row.y, row.z, row.w};
#pragma unroll
    for (unsigned u = 0; u < rows_in_flight; ++u) raw[u] = mine.load(rows[u]);
  }
};

template <class Lane, int Tokens, class List>
__device__ void multiply_rows(const row_batch<Lane>& rows, const List& list, unsigned at,
                              unsigned half, float (&sums)[Tokens][Lane::outputs],
                              float (&activation_sum)[Tokens]) {
#pragma unroll
  for (unsigned u = 0; u < rows_in_flight; ++u) {
    float weight[Lane::outputs];
    Lane::decode(rows.raw[u], weight);
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t) {
      const float a = list.value[t][half][at + u];
      if constexpr (Lane::affine) activation_sum[t] += a;
#pragma unroll
      for (unsigned j = 0; j < Lane::outputs; ++j) sums[t][j] = fmaf(weight[j], a, sums[t][j]);
    }
  }
}

// What becomes of rows: added to the part's total as they are.
template <class Lane, int Tokens>
struct plain_sums {
  float (&total)[Tokens][Lane::outputs];
  template <class List>
  __device__ void add(const row_batch<Lane>& rows, const List& list, unsigned at, unsigned half) {
    float none[Tokens];
    multiply_rows<Lane, Tokens>(rows, list, at, half, total, none);
  }
};

// Or levels, summed over a segment, then scaled, and where there are minima these times the sum of
// the activations.
template <class Lane, int Tokens, class List>
class scaled_sums {
 public:
  __device__ scaled_sums(const Lane& mine, const typename Lane::weight& w, const List& list,
                         unsigned rows, float (&total)[Tokens][Lane::outputs])
      : mine_(mine), w_(w), list_(list), rows_(rows), total_(total) {
    begin_segment();
  }
  __device__ void add(const row_batch<Lane>& rows, const List& list, unsigned at, unsigned half) {
    multiply_rows<Lane, Tokens>(rows, list, at, half, sums_, activation_sum_);
    if (at + rows_in_flight == end_) {
      add_scaled();
      if (end_ != rows_) begin_segment();
    }
  }

 private:
  // The scales are on their way while the segment is summed.
  __device__ void begin_segment() {
    const auto [end, scale] = list_.segments[segment_++];
    end_ = end;
    scales_ = mine_.scale(w_, scale);
  }
  __device__ void add_scaled() {
    float scale[Lane::outputs];
    scales_.scales(scale);
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t)
#pragma unroll
      for (unsigned j = 0; j < Lane::outputs; ++j) {
        total_[t][j] = fmaf(scale[j], sums_[t][j], total_[t][j]);
        sums_[t][j] = 0;
      }
    if constexpr (Lane::affine) {
      scales_.minima(scale);
#pragma unroll
      for (unsigned t = 0; t < Tokens; ++t) {
#pragma unroll
        for (unsigned j = 0; j < Lane::outputs; ++j)
          total_[t][j] = fmaf(scale[j], activation_sum_[t], total_[t][j]);
        activation_sum_[t] = 0;
      }
    }
  }
  const Lane& mine_;
  const typename Lane::weight& w_;
  const List& list_;
  unsigned rows_, segment_ = 0, end_;  // all of them; the next segment; of this one's rows
  float (&total_)[Tokens][Lane::outputs];
  float sums_[Tokens][Lane::outputs] = {}, activation_sum_[Tokens] = {};
  typename Lane::scale_words scales_;
};

// Adds a list's rows, at least one batch: one on its way while the other is multiplied.
template <class Lane, class List, class Sums>
__device__ void multiply_list(const Lane& mine, const List& list, unsigned rows, unsigned half,
                              Sums sums) {
  row_batch<Lane> even, odd;
  even.load(mine, list, 0);
#pragma unroll 1
  for (unsigned at = 0;; at += 2 * rows_in_flight) {
    const unsigned next = at + rows_in_flight, after = next + rows_in_flight;
    if (next < rows) odd.load(mine, list, next);
    sums.add(even, list, at, half);
    if (next >= rows) break;
    if (after < rows) even.load(mine, list, after);
    sums.add(odd, list, next, half);
    if (after >= rows) break;
  }
}

// Blocks that a multiprocessor is to hold: as many as the sums' registers leave room for.
template <class Lane, int Tokens>
inline constexpr unsigned channel_sums = Tokens * Lane::outputs * (Lane::scaled ? 2 : 1);
template <class Lane, int Tokens>
inline constexpr unsigned channel_blocks_wanted = channel_sums<Lane, Tokens> <= 16   ? 6
                                                  : channel_sums<Lane, Tokens> <= 32 ? 5
                                                  : channel_sums<Lane, Tokens> <= 48 ? 4
                                                                                     : 3;

// A tile's halves have one section each. Grid: [tiles, splits of channel_warps parts].
template <class Lane, int Tokens, class S, class Tile>
static __global__ void __launch_bounds__(channel_warps * 32, channel_blocks_wanted<Lane, Tokens>)
    channel_kernel(const __grid_constant__ typename Lane::weight w,
                   const __grid_constant__ section_list<S> sections,
                   const __grid_constant__ token_batch batch,
                   const __grid_constant__ channel_cut cut, float* partial, unsigned* tickets) {
  using list_type = channel_list<Tile::width, Tokens>;
  __shared__ list_type lists[channel_warps];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned tile = cut.first_tile + blockIdx.x;
  const unsigned last_lane = Lane::lanes(w) - 1;  // lanes behind it read what it reads
  const unsigned begin = (blockIdx.y * channel_warps + warp) * cut.part;
  const Lane mine(w, min(Tile::template place<Lane>(w, tile, lane), last_lane), begin);
  const S* keep[Tile::width];
#pragma unroll
  for (unsigned k = 0; k < Tile::width; ++k)
    keep[k] = &sections
                   .at[sections.of(Lane::output(
                       min(Tile::template place<Lane>(w, tile, k * 16), last_lane), 0))]
                   .keep;

  list_type& list = lists[warp];
  const auto inputs = static_cast<unsigned>(w.shape.inputs);
  const unsigned end = min(begin + cut.part, inputs);
  unsigned rows = 0, segments = 0;
#pragma unroll 1
  for (unsigned s = 0; s < longest_part / 32; ++s) {
    const unsigned c0 = begin + 32 * s, before = rows;
    if (c0 < end)
      rows = list_channels<Tile::width, Tokens>(keep, batch, c0 + lane, c0 + lane < end,
                                                mine.row(w, begin, c0, lane), rows,
                                                Lane::scaled || c0 + 32 >= end, list);
    if constexpr (Lane::scaled)
      if (rows != before) {
        if (lane == 0) list.segments[segments] = {rows, mine.scale_row(w, begin, c0)};
        ++segments;
      }
  }
  __syncwarp();

  const unsigned half = Tile::width == 1 ? 0 : lane / 16;
  float total[Tokens][Lane::outputs] = {};
  if (rows != 0) {
    if constexpr (Lane::scaled)
      multiply_list(mine, list, rows, half,
                    scaled_sums<Lane, Tokens, list_type>(mine, w, list, rows, total));
    else
      multiply_list(mine, list, rows, half, plain_sums<Lane, Tokens>{total});
  }
  add_parts<Lane, Tokens, Tile>(w, cut, total, batch, partial, tickets);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
