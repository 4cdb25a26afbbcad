// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for bricks of one storage type. Products (cpu/products) cut the
// work and call through this table; a kernel works on what it is told, on one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::detail {

// A tile of activations: so many tokens, each with as many channels as 64 bytes of bfloat16 are.
inline constexpr std::size_t tile_tokens = 16;
inline constexpr std::size_t tile_channels = 32;
inline constexpr std::size_t tile_bytes = tile_tokens * tile_channels * 2;

// Channels that some token of a batch keeps, index [count], and those that are multiplied after
// them and may be prefetched, next [next_count].
struct active_channels {
  const std::uint32_t* index;
  std::size_t count;
  const std::uint32_t* next;
  std::size_t next_count;
};

template <storage_scalar T>
struct brick_table {
  // y [outputs] of the strips = W · x [inputs], every channel, accumulators in registers.
  void (*dense_gemv)(const brick_weight<T>& w, index_range strips, const float* x,
                     float* y) noexcept;

  // y [32 · number of strips] = the sum over `active` of value · channel, y kept in cache. `ahead`
  // entries from active.index on, at least active.count, may be prefetched.
  void (*channel_gemv)(const brick_weight<T>& w, index_range strips, active_view<> active,
                       std::size_t ahead, float* y) noexcept;

  // The same for a batch: sums [tokens][stride] = the sum over the active channels of x · channel,
  // x [active channels][tokens], zero where a token skips.
  void (*channel_batch)(const brick_weight<T>& w, index_range strips, active_channels active,
                        const float* x, std::size_t tokens, float* sums,
                        std::size_t stride) noexcept;

  // Y [tokens, outputs] of the strips = X [tokens, inputs] · Wᵀ; scratch as gemm_scratch() says.
  void (*gemm)(const brick_weight<T>& w, index_range strips, matrix_view<const float> x,
               matrix_view<float> y, float* scratch) noexcept;

  // Null, but on instruction sets that multiply tiles. tiles [channels / 32] of 16 tokens = X [up
  // to 16 tokens, channels] rounded to bfloat16, zeros where there is no token or channel.
  void (*arrange)(matrix_view<const float> x, std::byte* tiles) noexcept = nullptr;

  // Y [tokens, outputs] of the strips = X · Wᵀ for a large batch, X as arranged_bytes() says;
  // scratch as tile_scratch() says. Null where arrange is.
  void (*tiles)(const brick_weight<T>& w, index_range strips, const std::byte* x,
                matrix_view<float> y, float* scratch) noexcept = nullptr;
};

// Floats of scratch for brick_table::gemm: the sums of some strips, a tile, and one part of X
// arranged by groups of tokens; or what gemm_bfmmla() keeps, a part of a strip and of X.
[[nodiscard]] constexpr std::size_t gemm_scratch(std::size_t inputs, std::size_t tokens) noexcept {
  return (brick_tuning::tiled_strips<bfloat16> * tokens + brick_tuning::tile_channels) *
             brick_outputs +
         summation_of(inputs).length * (tokens + brick_outputs);
}

// Bytes of X as brick_table::tiles takes it: [tokens / 16][inputs / 32] tiles.
[[nodiscard]] constexpr std::size_t arranged_bytes(std::size_t inputs,
                                                   std::size_t tokens) noexcept {
  return (tokens + tile_tokens - 1) / tile_tokens * ((inputs + tile_channels - 1) / tile_channels) *
         tile_bytes;
}

// Floats of scratch for brick_table::tiles: a block of a strip's channels in pairs, and the sums of
// a block of tokens.
[[nodiscard]] constexpr std::size_t tile_scratch(std::size_t tokens) noexcept {
  const std::size_t rows = (tokens + tile_tokens - 1) / tile_tokens * tile_tokens;
  return tile_tuning::block_channels / 2 * brick_outputs +
         tile_tuning::strips_at_once * brick_outputs *
             (rows < tile_tuning::block_tokens ? rows : tile_tuning::block_tokens);
}

}  // namespace sparsellm::inline v0::detail
