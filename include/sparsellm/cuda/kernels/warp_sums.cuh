// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a warp of the kernel on tensor cores (kernels/tiled.cuh) adds up: the fragments of 32
// outputs, a unit, times those of its tokens.
#pragma once

#include <concepts>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned tiled_threads = 256, unit_outputs = 32;

// A thread block's 8 warps are Units of 32 outputs by as many as are left, of 8 · TokenTiles
// tokens.
template <unsigned Units, unsigned TokenTiles>
struct output_tile {
  static constexpr unsigned units = Units, token_tiles = TokenTiles, outputs = Units * unit_outputs,
                            warp_tokens = 8 * TokenTiles,
                            tokens = tiled_threads / 32 / Units * warp_tokens,
                            sums = 2 * TokenTiles * 4;  // of a thread
};

// Of a token, one step.
template <class Tiles>
inline constexpr unsigned token_row_bytes = Tiles::segments * Tiles::terms * segment_channels * 2;

// to = c + a · b
template <storage_scalar T>
__device__ void multiply_add(float (&to)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                             std::uint32_t b1, const float (&c)[4]) {
  if constexpr (std::same_as<T, bfloat16>)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
        : "=f"(to[0]), "=f"(to[1]), "=f"(to[2]), "=f"(to[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c[0]), "f"(c[1]),
          "f"(c[2]), "f"(c[3]));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
        : "=f"(to[0]), "=f"(to[1]), "=f"(to[2]), "=f"(to[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c[0]), "f"(c[1]),
          "f"(c[2]), "f"(c[3]));
}

// Two instructions' rows, for channels [0, 16) and [16, 32) of a segment.
using unit_fragments = std::uint32_t[2][2][4];
// What the lane's outputs of a segment are multiplied by, and what each of the activations adds.
struct unit_scales {
  float scale[4], minimum[4];
};

// What a warp adds up: a unit's outputs by Tile::warp_tokens.
template <class Tiles, class Tile>
class warp_sums {
 public:
  static constexpr unsigned pairs = Tile::token_tiles / 2;
  float total[pairs][2][2][4] = {};  // of a pair of instructions' tokens: rows m, tokens n

  // One segment. rows: where in shared memory the warp's first token's activations begin; sums:
  // those of its tokens.
  __device__ void add(const unit_fragments& a, std::uint32_t rows, unsigned segment,
                      const unit_scales& by, const float* sums) {
    activations next;
    load(next, rows, segment, 0);
#pragma unroll
    for (unsigned p = 0; p < pairs; ++p) {
      const activations now = next;
      if (p + 1 < pairs) load(next, rows, segment, p + 1);
      if constexpr (Tiles::scaled) {
        float part[2][2][4] = {};
        multiply(part, a, now);
        add_scaled(total[p], part, by, sums + 16 * p);
      } else {
        multiply(total[p], a, now);
      }
    }
  }

 private:
  struct activations {
    std::uint32_t word[2][Tiles::terms][4];  // of 8 tokens each
  };
  __device__ static void load(activations& to, std::uint32_t rows, unsigned segment,
                              unsigned pair) {
    constexpr unsigned row_chunks = token_row_bytes<Tiles> / 16;
    const unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (unsigned n = 0; n < 2; ++n)
#pragma unroll
      for (unsigned term = 0; term < Tiles::terms; ++term) {
        const unsigned chunk = (segment * Tiles::terms + term) * segment_chunks + lane / 8;
        load_matrices(to.word[n][term],
                      rows + ((pair * 2 + n) * 8 + lane % 8) * token_row_bytes<Tiles> +
                          place_of_chunk(chunk, lane % 8, row_chunks) * 16);
      }
  }
  __device__ static void multiply(float (&c)[2][2][4], const unit_fragments& a,
                                  const activations& x) {
#pragma unroll
    for (unsigned term = 0; term < Tiles::terms; ++term)
#pragma unroll
      for (unsigned s = 0; s < 2; ++s)
#pragma unroll
        for (unsigned n = 0; n < 2; ++n)
#pragma unroll
          for (unsigned m = 0; m < 2; ++m)
            multiply_add<typename Tiles::number>(c[m][n], a[m][s], x.word[n][term][2 * s],
                                                 x.word[n][term][2 * s + 1], c[m][n]);
  }
  __device__ static void add_scaled(float (&to)[2][2][4], const float (&part)[2][2][4],
                                    const unit_scales& by, const float* sums) {
#pragma unroll
    for (unsigned n = 0; n < 2; ++n) {
      float2 sum = {};
      if constexpr (Tiles::affine)
        sum = reinterpret_cast<const float2*>(sums + 8 * n)[threadIdx.x % 4];
#pragma unroll
      for (unsigned m = 0; m < 2; ++m)
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) {
          const unsigned row = 2 * m + i / 2;
          to[m][n][i] = fmaf(by.scale[row], part[m][n][i], to[m][n][i]);
          if constexpr (Tiles::affine)
            to[m][n][i] = fmaf(by.minimum[row], i % 2 == 0 ? sum.x : sum.y, to[m][n][i]);
        }
    }
  }
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
