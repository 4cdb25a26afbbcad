// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Y = s(X) · Wᵀ for 2:4 weights of 16 bits on sparse tensor cores (mma.sp m16n8k32, PTX
// ISA 9.7.14.6): the weights are "M", tokens are "N", so any number of tokens runs in steps of 8.
// The operands are n_of_m's own bytes: which channel is called which k is free as long as both
// operands agree, so each lane takes 16 neighbouring channels of a row, one load of 16 bytes for
// two instructions, and tokens are put in that order once (arrange_kernel). A mask of one bit a
// weight becomes the instruction's two bits a value in a dozen operations that every token of the
// tile shares.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"
#include "sparsellm/pack/nm_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// A thread block computes rows x tokens of Y, with 4 warps in a grid of warps_m x warps_n. (A type,
// for nvcc 13's host stubs cannot name a kernel by a template argument of class type.)
template <unsigned Rows, unsigned Tokens, unsigned WarpsM, unsigned WarpsN, unsigned Stages>
struct mma_tile {
  static constexpr unsigned rows = Rows, tokens = Tokens, warps_m = WarpsM, warps_n = WarpsN,
                            stages = Stages;
};

inline constexpr unsigned mma_threads = 128;
inline constexpr unsigned strip_cell_bytes = 8 * 8 + 8 * 32 * 2;  // masks and values, 64 channels
inline constexpr unsigned token_cell_bytes = 64 * 2;

template <class Tile>
inline constexpr unsigned stage_bytes =
    Tile::rows / 8 * strip_cell_bytes + Tile::tokens * token_cell_bytes;

// Where four neighbouring channels, the p-th four of a cell of 64, are put: lane j of a quad holds
// channels [16 j, 16 j + 16), and instruction s = 0, 1 takes its fours 2 s and 2 s + 1 as the fours
// j and j + 4 of its k.
[[nodiscard]] SPARSELLM_HD constexpr unsigned place_of_four(unsigned p) {
  return p / 2 % 2 * 8 + p / 4 + p % 2 * 4;
}

// X [tokens, inputs], as the sparsifier leaves it, in 16 bits: [padded tokens][cells][64]. What
// pads is zero. A thread takes four channels.
template <storage_scalar T, class S>
static __global__ void arrange_kernel(S keep, const float* x, std::size_t x_stride, unsigned tokens,
                                      unsigned inputs, unsigned fours, uint2* to) {
  const unsigned p = blockIdx.x * blockDim.x + threadIdx.x, t = blockIdx.y;
  if (p >= fours) return;
  std::uint32_t bits[4];
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned c = 4 * p + i;
    const float v = t < tokens && c < inputs ? x[t * x_stride + c] : 0.0f;
    bits[i] = narrow<T>(t < tokens && c < inputs && keep.keeps(v, c) ? v : 0.0f).bits;
  }
  to[std::size_t{t} * fours + p / 16 * 16 + place_of_four(p % 16)] =
      make_uint2(bits[0] | bits[1] << 16, bits[2] | bits[3] << 16);
}

// Nibble i of each of the four 16-bit parts of a row's mask, side by side.
__device__ inline std::uint32_t nibbles_of(uint2 row_mask, unsigned i) {
  const std::uint32_t four =
      (row_mask.x >> 4 * i & 0x000f000fu) | (row_mask.y >> 4 * i & 0x000f000fu) << 8;
  return (four | four >> 12) & 0xffffu;
}

// A mask's nibbles as the instruction wants them: of the two channels that a nibble keeps, the
// places of the lower and of the higher one, two bits each.
__device__ inline std::uint32_t indices_of(std::uint32_t bits) {
  constexpr std::uint32_t ones = 0x11111111u;
  const std::uint32_t b0 = bits & ones, b1 = bits >> 1 & ones, b2 = bits >> 2 & ones,
                      b3 = bits >> 3 & ones;
  const std::uint32_t first = (~b0 & b1) | (~(b0 | b1) & ones) << 1;
  const std::uint32_t second = (b3 | (~b2 & ones)) | (b3 | b2) << 1;
  return first | second << 2;
}

template <storage_scalar T, int Selector>
__device__ void mma_sparse(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4],
                           std::uint32_t metadata) {
  if constexpr (std::same_as<T, bfloat16>)
    asm volatile(
        "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, %13;"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]),
          "r"(metadata), "n"(Selector));
  else
    asm volatile(
        "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, %13;"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]),
          "r"(metadata), "n"(Selector));
}

// What a product is told besides its weight; outputs [first, last) are stored.
struct mma_operands {
  const std::byte* x;  // as arrange_kernel leaves it
  float* y;
  std::size_t y_stride;
  unsigned tokens, first, last;
};

// Grid: [outputs / rows, tokens / tokens].
template <storage_scalar T, class Tile>
static __global__ void __launch_bounds__(mma_threads)
    semi_structured_kernel(const __grid_constant__ nm_weight<T> w,
                           const __grid_constant__ mma_operands to) {
  constexpr unsigned strips_per_tile = Tile::rows / 8, chunks = strip_cell_bytes / 16;
  constexpr unsigned warp_rows = Tile::rows / Tile::warps_m,
                     warp_tokens = Tile::tokens / Tile::warps_n;
  constexpr unsigned tiles_m = warp_rows / 16, tiles_n = warp_tokens / 8;
  static_assert(Tile::warps_m * Tile::warps_n * 32 == mma_threads && tiles_m >= 1 && tiles_n >= 1);
  extern __shared__ __align__(128) std::byte shared[];

  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned quad = lane % 4, group = lane / 4;
  const auto cells = static_cast<unsigned>(w.cells()), strips = static_cast<unsigned>(w.strips());
  const unsigned strip0 = to.first / 8 + blockIdx.x * strips_per_tile;
  const unsigned token0 = blockIdx.y * Tile::tokens;

  // What a thread copies of every cell of channels, in units of 16 bytes. Tokens' rows are 128
  // bytes: chunks change places within a row, so that eight rows' same chunk lies in different
  // banks.
  constexpr unsigned weight_chunks = strips_per_tile * chunks, token_chunks = Tile::tokens * 8;
  constexpr unsigned weight_copies = (weight_chunks + mma_threads - 1) / mma_threads;
  unsigned weight_at[weight_copies];
#pragma unroll
  for (unsigned k = 0; k < weight_copies; ++k) {
    const unsigned i = threadIdx.x + k * mma_threads;
    const unsigned s = min(strip0 + i / chunks, strips - 1);  // behind the last: not stored
    weight_at[k] = s * cells * chunks + i % chunks;
  }
  const unsigned token_row = threadIdx.x / 8, token_chunk = threadIdx.x % 8;
  const unsigned token_at = (token0 + token_row) * cells * 8 + token_chunk;
  const unsigned token_to = token_row * 8 + (token_chunk ^ token_row % 8);
  const auto load = [&](unsigned b) {
    auto* const stage = reinterpret_cast<uint4*>(shared + b % Tile::stages * stage_bytes<Tile>);
    const auto* const from = reinterpret_cast<const uint4*>(w.data) + std::size_t{b} * chunks;
#pragma unroll
    for (unsigned k = 0; k < weight_copies; ++k) {
      const unsigned i = threadIdx.x + k * mma_threads;
      if (i < weight_chunks) copy_async(stage + i, from + weight_at[k]);
    }
    const auto* const x = reinterpret_cast<const uint4*>(to.x) + std::size_t{b} * 8 + token_at;
#pragma unroll
    for (unsigned k = 0; k * mma_threads < token_chunks; ++k)
      copy_async(stage + weight_chunks + token_to + k * mma_threads,
                 x + std::size_t{k} * (mma_threads / 8) * cells * 8);
  };

  float sum[tiles_m][tiles_n][4] = {};
#pragma unroll
  for (unsigned b = 0; b + 1 < Tile::stages; ++b) {
    if (b < cells) load(b);
    commit_copies();
  }
  const unsigned my_strip = warp / Tile::warps_n * (warp_rows / 8);
  const unsigned my_token = warp % Tile::warps_n * warp_tokens;
  for (unsigned b = 0; b < cells; ++b) {
    wait_copies<Tile::stages - 2>();
    __syncthreads();
    if (b + Tile::stages - 1 < cells) load(b + Tile::stages - 1);
    commit_copies();

    const std::byte* const stage = shared + b % Tile::stages * stage_bytes<Tile>;
    std::uint32_t value[tiles_m][2][4], metadata[tiles_m];
#pragma unroll
    for (unsigned m = 0; m < tiles_m; ++m) {
      std::uint32_t nibbles[2];
#pragma unroll
      for (unsigned half = 0; half < 2; ++half) {
        const std::byte* const strip = stage + (my_strip + 2 * m + half) * strip_cell_bytes;
        nibbles[half] = nibbles_of(reinterpret_cast<const uint2*>(strip)[group], quad);
        const uint4 v = reinterpret_cast<const uint4*>(strip + 64)[lane];
        value[m][half][0] = v.x, value[m][half][1] = v.y;
        value[m][half][2] = v.z, value[m][half][3] = v.w;
      }
      metadata[m] = indices_of(nibbles[0] | nibbles[1] << 16);
    }
    const std::uint32_t rows = shared_address(stage + strips_per_tile * strip_cell_bytes) +
                               (my_token + lane % 8) * token_cell_bytes;
#pragma unroll
    for (unsigned step = 0; step < 2; ++step)
#pragma unroll
      for (unsigned n = 0; n < tiles_n; ++n) {
        std::uint32_t x[4];
        load_matrices(x, rows + ((step * 4 + lane / 8) ^ lane % 8) * 16 + n * 8 * token_cell_bytes);
#pragma unroll
        for (unsigned m = 0; m < tiles_m; ++m) {
          const std::uint32_t a[4] = {value[m][0][2 * step], value[m][1][2 * step],
                                      value[m][0][2 * step + 1], value[m][1][2 * step + 1]};
          if (step == 0)
            mma_sparse<T, 0>(sum[m][n], a, x, metadata[m]);
          else
            mma_sparse<T, 1>(sum[m][n], a, x, metadata[m]);
        }
      }
  }

#pragma unroll
  for (unsigned m = 0; m < tiles_m; ++m)
#pragma unroll
    for (unsigned n = 0; n < tiles_n; ++n)
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned o = (strip0 + my_strip + 2 * m + i / 2) * 8 + group;
        const unsigned t = token0 + my_token + n * 8 + quad * 2 + i % 2;
        if (o >= to.first && o < to.last && t < to.tokens) to.y[t * to.y_stride + o] = sum[m][n][i];
      }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
