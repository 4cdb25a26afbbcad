// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for quantised weights. Activations are rounded to 16 bits, a
// scale for each block and token, and multiplied as integers: sums of a block are exact, so every
// instruction set gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::detail {

// X [tokens, inputs], rounded. Block b has `slots` places of four channels; the first count[b] are
// taken, by the channels of which some token's level is not zero, ascending, the last one repeated
// with level zero to fill a four, and a second four where the instruction set takes two at a time.
struct quantized_activations {
  std::size_t tokens;
  std::size_t blocks;
  std::size_t slots;      // block_channels / 4
  std::uint8_t* count;    // [blocks]
  std::uint8_t* channel;  // [blocks][slots][4], within the block
  // [tokens][blocks][slots][2]: four levels, as the instruction set takes them
  std::uint32_t* word;
  float* scale;       // [tokens][blocks]: x = scale · level; NaN when an x is not finite
  std::int32_t* sum;  // [tokens][blocks]: of the levels

  [[nodiscard]] SPARSELLM_INLINE std::size_t at(std::size_t token, std::size_t b) const noexcept {
    return token * blocks + b;
  }
};

// Bytes of a strip's levels as tiles take them: every four channels of a block two rows of 16
// outputs, and a row more for the block. A block of 16 channels takes as much as one of 32.
template <int Bits>
inline constexpr std::size_t tile_rows_bytes =
    (quantized_tuning::channels_at_once / 2 + quantized_tuning::channels_at_once / 32) * 64 *
    (strip_outputs<Bits> / 16);

// Floats of scratch for quantized_table::strips: sums of a part and of all, and levels.
template <int Bits>
[[nodiscard]] constexpr std::size_t strips_scratch(std::size_t tokens) noexcept {
  return 2 * tokens * strip_outputs<Bits> + tile_rows_bytes<Bits> / sizeof(float);
}

template <class W>
struct quantized_table {
  using weight = W;

  // Fills `a` for blocks of X, zeros standing for skipped channels. With every_channel all are
  // listed, zero or not: a panel is read as one stream.
  void (*round)(matrix_view<const float> x, std::size_t block_channels, index_range blocks,
                bool every_channel, const quantized_activations& a) noexcept;

  // A panel and one token: i in `strip_parts` is part i mod parts.count of strip i / parts.count.
  // Part p's sums of strip s are stored at sums + p · stride + s · strip_outputs.
  void (*panel)(const weight& w, index_range strip_parts, summation_parts parts,
                const quantized_activations& a, float* sums, std::size_t stride) noexcept;

  // Y [tokens, outputs] of the strips = W · x, all blocks, parts as `parts` says; scratch as
  // strips_scratch() says.
  void (*strips)(const weight& w, index_range strips, summation_parts parts,
                 const quantized_activations& a, matrix_view<float> y, float* scratch) noexcept;

  // sums [tokens][stride]: strip s of the range at column s · strip_outputs = the blocks' share.
  // Blocks before `rounded_end` are filled in `a` and may be prefetched.
  void (*blocks)(const weight& w, index_range strips, index_range blocks, std::size_t rounded_end,
                 const quantized_activations& a, float* sums, std::size_t stride) noexcept;
};

}  // namespace sparsellm::inline v0::detail
