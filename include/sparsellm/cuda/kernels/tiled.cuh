// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Y = s(X) · Wᵀ on tensor cores (mma m16n8k16, PTX ISA 9.7.14.5) for weights of any format that has
// 16 or fewer bits: outputs are "M", tokens are "N". A format's bytes come to shared memory as they
// are packed, several steps ahead (cp.async); the format's tiles (kernels/tiles/) make the
// instruction's fragments of them in registers. What is skipped is multiplied as zero.
//
// What is known of a format's tiles:
//   weight, number            what the kernel is given; half or bfloat16
//   order, segments, terms    as token_layout (kernels/arrange_tokens.cuh) has them
//   scaled, affine            whether each segment's sums are scaled, and have minima
//   stages                    steps in shared memory at once
//   blocks_of_many            a multiprocessor is to hold of the tiles of most tokens; else 2
//   units_at_once             a block's first unit is a multiple of it
//   output(unit, i)           of fragment row i, 0 to 3, of this lane
//   result(w, output, sum)    what y has
// and a class reader<Units>, constructed by every thread with the weight, its block's first unit
// and its first step:
//   bytes(w)                  of shared memory for a step's weights, in whole 16 bytes
//   copy(to)                  begins to copy the next step's, by all threads of the block
//   fragments(from, unit, segment, a)   of 32 outputs, a unit, and 32 channels
//   scales(from, unit, s)     of the lane's four outputs; where `scaled`, with one segment
// A unit's outputs are the rows of two instructions, in an order of the format's: row i of lane l
// is row l / 4 + i % 2 · 8 of instruction i / 2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"
#include "sparsellm/cuda/kernels/warp_sums.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Of one step: activations and their sums, and the weights too.
template <class Tiles, class Tile>
inline constexpr unsigned token_bytes =
    Tile::tokens * (token_row_bytes<Tiles> + (Tiles::affine ? Tiles::segments * 4 : 0));
template <class Tiles, class Tile>
[[nodiscard]] SPARSELLM_HD unsigned tiled_stage_bytes(const typename Tiles::weight& w) {
  return Tiles::template reader<Tile::units>::bytes(w) + token_bytes<Tiles, Tile>;
}

// What a product is told besides its weight; outputs [first, last) are stored, of units from
// first_unit on. A split is `steps_each` steps of all `steps`.
struct tiled_operands {
  const std::byte* x;  // as arrange_tokens_kernel leaves them
  const float* sums;
  float* y;
  std::size_t y_stride;
  unsigned tokens, padded, first, last, first_unit, steps, steps_each;
  float4* partial;  // [splits][tiles][sums / 4][tiled_threads]
  unsigned* tickets;
};

// Copies a step's activations and their sums as they lie.
template <class Tiles, class Tile>
class token_reader {
 public:
  __device__ token_reader(const tiled_operands& to, unsigned token, unsigned begin)
      : to_(to),
        rows_(to.x + (std::size_t{begin} * to.padded + token) * row + 16 * threadIdx.x),
        sums_(Tiles::affine
                  ? to.sums +
                        (std::size_t{begin} * Tiles::segments + threadIdx.x / quads) * to.padded +
                        token + threadIdx.x % quads * 4
                  : nullptr) {}
  // The next step's.
  __device__ void copy(std::byte* place) {
#pragma unroll
    for (unsigned k = 0; k < (chunks + tiled_threads - 1) / tiled_threads; ++k)
      if (chunks % tiled_threads == 0 || threadIdx.x + k * tiled_threads < chunks)
        copy_async(place + 16 * (threadIdx.x + k * tiled_threads), rows_ + 16 * k * tiled_threads);
    rows_ += std::size_t{to_.padded} * row;
    if constexpr (Tiles::affine) {
      if (threadIdx.x < Tiles::segments * quads)
        copy_async(place + (chunks + threadIdx.x) * 16, sums_);
      sums_ += std::size_t{to_.padded} * Tiles::segments;
    }
  }

 private:
  static constexpr unsigned row = token_row_bytes<Tiles>, chunks = Tile::tokens * row / 16,
                            quads = Tile::tokens / 4;
  const tiled_operands& to_;
  const std::byte* rows_;
  const float* sums_;
};

// A block's sums where there are several splits: every block leaves its own, and the last to be
// done adds them in the order of the splits. Whether this is that block.
template <unsigned Sums>
__device__ bool add_splits(float (&total)[Sums], const tiled_operands& to) {
  __shared__ bool last;
  const auto slot = [&](unsigned split, unsigned i) {
    return to.partial +
           ((std::size_t{split} * gridDim.x + blockIdx.x) * (Sums / 4) + i) * tiled_threads +
           threadIdx.x;
  };
#pragma unroll
  for (unsigned i = 0; i < Sums / 4; ++i)
    *slot(blockIdx.y, i) =
        make_float4(total[4 * i], total[4 * i + 1], total[4 * i + 2], total[4 * i + 3]);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(&to.tickets[blockIdx.x], 1u) + 1 == gridDim.y;
  __syncthreads();
  if (!last) return false;
  __threadfence();
  for (unsigned s = 0; s < gridDim.y; ++s)
#pragma unroll
    for (unsigned i = 0; i < Sums / 4; ++i) {
      const float4 v = __ldcg(slot(s, i));
      const float part[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
      for (unsigned k = 0; k < 4; ++k)
        total[4 * i + k] = part[k] + (s == 0 ? 0.0f : total[4 * i + k]);
    }
  if (threadIdx.x == 0) to.tickets[blockIdx.x] = 0;
  return true;
}

// A block's outputs and tokens: tiles of the same outputs are neighbours, so that weights come from
// memory once.
template <class Tile>
struct tile_place {
  unsigned unit, token;
  __device__ tile_place(const tiled_operands& to, unsigned block)
      : unit(to.first_unit + block / (to.padded / Tile::tokens) * Tile::units),
        token(block % (to.padded / Tile::tokens) * Tile::tokens) {}
};
// blockIdx.x, read anew, so that no register holds what follows from it through the loop.
__device__ inline unsigned block_again() {
  unsigned x;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(x));
  return x;
}

// Grid: [tiles, tokens fastest; splits].
template <class Tiles, class Tile>
static __global__ void __launch_bounds__(tiled_threads,
                                         Tile::token_tiles > 4 ? Tiles::blocks_of_many : 2)
    tiled_kernel(const __grid_constant__ typename Tiles::weight w,
                 const __grid_constant__ tiled_operands to) {
  extern __shared__ __align__(128) std::byte shared[];
  const tile_place<Tile> place(to, blockIdx.x);
  const unsigned my_unit = threadIdx.x / 32 % Tile::units,
                 my_token = threadIdx.x / 32 / Tile::units * Tile::warp_tokens;
  const unsigned weight_bytes = Tiles::template reader<Tile::units>::bytes(w);
  const unsigned stage_bytes = weight_bytes + token_bytes<Tiles, Tile>;
  const unsigned begin = blockIdx.y * to.steps_each, end = min(begin + to.steps_each, to.steps);

  typename Tiles::template reader<Tile::units> weights(w, place.unit, begin);
  token_reader<Tiles, Tile> tokens(to, place.token, begin);
  const auto copy = [&](unsigned at) {
    weights.copy(shared + at);
    tokens.copy(shared + at + weight_bytes);
  };
#pragma unroll
  for (unsigned s = 0; s + 1 < Tiles::stages; ++s) {
    if (begin + s < end) copy(s * stage_bytes);
    commit_copies();
  }
  warp_sums<Tiles, Tile> sums;
  unsigned at = 0, before = (Tiles::stages - 1) * stage_bytes;  // this step's stage, the last one's
#pragma unroll 1
  for (unsigned left = end - begin; left != 0; --left) {
    wait_copies<Tiles::stages - 2>();
    __syncthreads();
    if (left >= Tiles::stages) copy(before);
    commit_copies();
    const std::byte* const stage = shared + at;
    const std::byte* const x = stage + weight_bytes;
#pragma unroll
    for (unsigned segment = 0; segment < Tiles::segments; ++segment) {
      unit_fragments a;
      weights.fragments(stage, my_unit, segment, a);
      unit_scales by;
      if constexpr (Tiles::scaled) weights.scales(stage, my_unit, by);
      const auto* const activation_sums =
          reinterpret_cast<const float*>(x + Tile::tokens * token_row_bytes<Tiles>) +
          segment * Tile::tokens + my_token;
      sums.add(a, shared_address(x) + my_token * token_row_bytes<Tiles>, segment, by,
               activation_sums);
    }
    before = at;
    at = at == (Tiles::stages - 1) * stage_bytes ? 0 : at + stage_bytes;
  }

  auto& total = reinterpret_cast<float (&)[Tile::sums]>(sums.total);
  if (gridDim.y != 1 && !add_splits(total, to)) return;
  const tile_place<Tile> stored(to, block_again());
#pragma unroll
  for (unsigned i = 0; i < Tile::sums; ++i) {
    const unsigned pair = i / 16, m = i / 8 % 2, n = i / 4 % 2, row = 2 * m + i / 2 % 2;
    const unsigned o = Tiles::output(stored.unit + my_unit, row);
    const unsigned t = stored.token + my_token + (2 * pair + n) * 8 + threadIdx.x % 4 * 2 + i % 2;
    if (o >= to.first && o < to.last && t < to.tokens)
      to.y[t * to.y_stride + o] = Tiles::result(w, o, total[i]);
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
