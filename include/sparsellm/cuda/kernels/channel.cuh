// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// y = W · s(x) for weights whose channels are contiguous: the weights of a skipped channel are
// never read (TEAL, arXiv 2408.14690, section 4). A warp walks 64 channels of a tile of outputs: 32
// activations at a time are compared by 32 lanes, a ballot says which are active, and the weights
// of eight active channels are in flight at once. The warps of a block and then the blocks of a
// tile are added in ascending order, so results do not depend on scheduling, and a skipped channel
// is exactly a zero activation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/gate.cuh"
#include "sparsellm/cuda/kernels/split_sums.cuh"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned channel_warps = 8;       // of a block, a part of the channels each
inline constexpr unsigned channels_per_part = 64;  // two ballots
inline constexpr unsigned channels_in_flight = 8;  // 8 · 512 bytes a warp cover the latency

// Which of a weight's lanes a lane of a tile is, and what becomes of its outputs.
struct plain_tile {
  static constexpr unsigned width = 1;  // sums stored together
  template <class Lane>
  __device__ static unsigned place(const typename Lane::weight&, unsigned lane) {
    return blockIdx.x * 32 + lane;
  }
  __device__ static float result(const float (&sum)[1]) { return sum[0]; }
};
// Gate stacked on up, in whole lanes: half a warp has outputs of the gate, the other half the same
// outputs of up.
struct gated_tile {
  static constexpr unsigned width = 2;
  template <class Lane>
  __device__ static unsigned place(const typename Lane::weight& w, unsigned lane) {
    const unsigned all = Lane::lanes(w), in_half = blockIdx.x * 16 + lane % 16;
    if (in_half >= all / 2) return all;  // behind the last
    return (lane < 16 ? 0 : all / 2) + in_half;
  }
  __device__ static float result(const float (&sum)[2]) { return silu_of(sum[0]) * sum[1]; }
};

// The sums of a block's warps, then of a tile's blocks. y has Tile::width times fewer outputs than
// the weight.
template <class Lane, int Tokens, class Tile>
__device__ void add_parts(const typename Lane::weight& w,
                          const float (&total)[Tokens][Lane::outputs], const token_batch& batch,
                          float* partial, unsigned* tickets) {
  constexpr unsigned tile = 32 * Lane::outputs, lanes = 32 / Tile::width;
  __shared__ float sums[channel_warps][tile];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned outputs = static_cast<unsigned>(w.shape.outputs) / Tile::width;
  const split_sums<tile, Tile::width> splits(partial, tickets, batch.tokens);
  // Output j of a lane. Half a warp reads one j and half the next: every other one is turned by
  // half a warp, so that the two are in different banks.
  const auto in_row = [](unsigned j, unsigned l) {
    return j * 32 + (Tile::width == 1 ? l : l ^ j % 2 * lanes);
  };
  const auto store = [&](unsigned t, unsigned i, const float (&sum)[Tile::width]) {
    const unsigned o = Lane::output(Tile::template place<Lane>(w, i % lanes), i / lanes);
    if (o < outputs) batch.y[t * batch.y_stride + o] = Tile::result(sum);
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

// Which sections outputs are in, a bit each. A border may lie anywhere, inside a lane too: such a
// lane is mixed.
struct lane_sections {
  std::uint32_t mine, tile;  // of this lane's outputs, and of all lanes of the tile
  unsigned first;            // of mine
  bool mixed, tile_mixed;    // this lane is, some lane of the tile is
};
template <class Lane, class S>
[[nodiscard]] __device__ lane_sections sections_of(const section_list<S>& sections,
                                                   unsigned place) {
  std::uint32_t mine = 0;
#pragma unroll
  for (unsigned j = 0; j < Lane::outputs; ++j) mine |= 1u << sections.of(Lane::output(place, j));
  const bool mixed = (mine & (mine - 1)) != 0;
  return {mine, __reduce_or_sync(~0u, mine),
          static_cast<unsigned>(__ffs(static_cast<int>(mine))) - 1, mixed,
          __any_sync(~0u, mixed) != 0};
}

// What of 32 channels is read, a bit a channel.
template <int Tokens>
struct channel_vote {
  std::uint32_t walk = 0;           // that any lane of the warp wants
  std::uint32_t active = 0;         // that this lane wants
  std::uint32_t kept[Tokens] = {};  // that each token of this lane's first section wants
};
// x: of channel c, this lane's of the 32. Of a mixed tile masks [sections][Tokens] gets each
// section's votes.
template <int Tokens, class S>
[[nodiscard]] __device__ channel_vote<Tokens> vote(const section_list<S>& sections,
                                                   const lane_sections& where,
                                                   const float (&x)[Tokens], unsigned tokens,
                                                   unsigned c, bool inside,
                                                   std::uint32_t (*masks)[Tokens]) {
  channel_vote<Tokens> votes;
  for (unsigned s = 0; s < sections.count; ++s) {
    if ((where.tile >> s & 1u) == 0) continue;
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t) {
      const std::uint32_t keeps =
          __ballot_sync(~0u, t < tokens && inside && sections.at[s].keep.keeps(x[t], c));
      votes.walk |= keeps;
      if ((where.mine >> s & 1u) != 0) votes.active |= keeps;
      if (s == where.first) votes.kept[t] = keeps;
      if (where.tile_mixed && threadIdx.x % 32 == 0) masks[s][t] = keeps;
    }
  }
  if (where.tile_mixed) __syncwarp();
  return votes;
}

// Adds the channels that were voted for, of the 32 from c0 on, to sums, and the activations of the
// lane's first section to activation_sum.
template <class Lane, int Tokens, class S>
__device__ void add_channels(const Lane& mine, unsigned place, const section_list<S>& sections,
                             const lane_sections& where, const channel_vote<Tokens>& votes,
                             const std::uint32_t (*masks)[Tokens], const float (&x)[Tokens],
                             unsigned c0, float (&sums)[Tokens][Lane::outputs],
                             float (&activation_sum)[Tokens]) {
  std::uint32_t walk = votes.walk;
  while (walk != 0) {
    unsigned at[channels_in_flight];
    typename Lane::words raw[channels_in_flight];
#pragma unroll
    for (unsigned u = 0; u < channels_in_flight; ++u) {
      at[u] = walk != 0 ? static_cast<unsigned>(__ffs(static_cast<int>(walk))) - 1 : 32;
      walk &= walk - 1;
      raw[u] = {};
      if (at[u] < 32 && (votes.active >> at[u] & 1u) != 0) raw[u] = mine.load(c0 + at[u]);
    }
#pragma unroll
    for (unsigned u = 0; u < channels_in_flight; ++u) {
      if (at[u] == 32) break;
      float weight[Lane::outputs];
      Lane::decode(raw[u], weight);
#pragma unroll
      for (unsigned t = 0; t < Tokens; ++t) {
        const float activation = __shfl_sync(~0u, x[t], static_cast<int>(at[u]));
        if (!where.mixed) {
          const float a = (votes.kept[t] >> at[u] & 1u) != 0 ? activation : 0.0f;
          activation_sum[t] += a;
#pragma unroll
          for (unsigned j = 0; j < Lane::outputs; ++j) sums[t][j] = fmaf(weight[j], a, sums[t][j]);
        } else {
#pragma unroll
          for (unsigned j = 0; j < Lane::outputs; ++j) {
            const unsigned s = sections.of(Lane::output(place, j));
            const bool wanted = (masks[s][t] >> at[u] & 1u) != 0;
            sums[t][j] = fmaf(weight[j], wanted ? activation : 0.0f, sums[t][j]);
          }
        }
      }
    }
  }
}

// Adds a block's sums of levels, scaled, to total, and where there are minima these times the sum
// of the activations.
template <class Lane, int Tokens, class S>
__device__ void add_scaled(const Lane& mine, unsigned place, const section_list<S>& sections,
                           const lane_sections& where, const std::uint32_t (*masks)[Tokens],
                           const token_batch& batch, unsigned c0,
                           const float (&sums)[Tokens][Lane::outputs],
                           const float (&activation_sum)[Tokens],
                           float (&total)[Tokens][Lane::outputs]) {
  float scale[Lane::outputs];
  mine.scales(c0, scale);
#pragma unroll
  for (unsigned t = 0; t < Tokens; ++t)
#pragma unroll
    for (unsigned j = 0; j < Lane::outputs; ++j)
      total[t][j] = fmaf(scale[j], sums[t][j], total[t][j]);
  if constexpr (Lane::affine) {
    mine.minima(c0, scale);
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t)
#pragma unroll
      for (unsigned j = 0; j < Lane::outputs; ++j) {
        float sum = activation_sum[t];
        if (where.mixed) {
          sum = 0;
          const unsigned s = sections.of(Lane::output(place, j));
          for (std::uint32_t m = masks[s][t]; m != 0; m &= m - 1)
            sum += batch.x[t * batch.x_stride + c0 +
                           static_cast<unsigned>(__ffs(static_cast<int>(m))) - 1];
        }
        total[t][j] = fmaf(scale[j], sum, total[t][j]);
      }
  }
}

// Grid: [tiles of 32 lanes, splits of channel_warps parts].
template <class Lane, int Tokens, class S, class Tile>
static __global__ void __launch_bounds__(channel_warps * 32, 1)
    channel_kernel(const __grid_constant__ typename Lane::weight w,
                   const __grid_constant__ section_list<S> sections,
                   const __grid_constant__ token_batch batch, float* partial, unsigned* tickets) {
  __shared__ std::uint32_t section_masks[channel_warps][most_sections][Tokens];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned place = Tile::template place<Lane>(w, lane);
  const Lane mine(w, place);
  const lane_sections where = sections_of<Lane>(sections, place);
  std::uint32_t (*const masks)[Tokens] = section_masks[warp];

  const auto inputs = static_cast<unsigned>(w.shape.inputs);
  const unsigned begin = (blockIdx.y * channel_warps + warp) * channels_per_part;
  const unsigned end = min(begin + channels_per_part, inputs);
  float total[Tokens][Lane::outputs] = {};
  for (unsigned c0 = begin; c0 < end; c0 += 32) {
    const unsigned c = c0 + lane;
    float x[Tokens], activation_sum[Tokens] = {};
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t)
      x[t] = t < batch.tokens && c < end ? batch.x[t * batch.x_stride + c] : 0.0f;
    channel_vote<Tokens> votes = vote(sections, where, x, batch.tokens, c, c < end, masks);
    if (mine.first == nullptr) votes.active = 0;
    if constexpr (Lane::scaled) {
      float sums[Tokens][Lane::outputs] = {};
      add_channels(mine, place, sections, where, votes, masks, x, c0, sums, activation_sum);
      if (votes.active != 0)
        add_scaled(mine, place, sections, where, masks, batch, c0, sums, activation_sum, total);
    } else {
      add_channels(mine, place, sections, where, votes, masks, x, c0, total, activation_sum);
    }
    if (where.tile_mixed) __syncwarp();
  }
  add_parts<Lane, Tokens, Tile>(w, total, batch, partial, tickets);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
