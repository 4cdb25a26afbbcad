// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF's blocks of 32 weights, as the bytes of a file have them (little-endian, no padding):
//   Q8_0  [scale: half][32 signed levels]                                        34 bytes
//   Q4_0  [scale: half][16 bytes: low nibbles channels 0..15, high 16..31]       18 bytes
//   Q4_1  [scale: half][minimum: half][16 bytes as Q4_0]                         20 bytes
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/element.hpp"

namespace sparsellm::inline v0 {

// channels and bytes of a block; read(from, level [channels], scale, minimum) takes it apart into
// the levels that this library stores, unsigned.
template <quantized_element Q>
struct gguf_block {
  static_assert(Q::block_channels == 32,
                "sparsellm: GGUF has blocks of 32 channels for q8_0, q4_0 "
                "and q4_1");
  static constexpr std::size_t channels = 32;
  static constexpr std::size_t bytes = 2 + (Q::affine ? 2 : 0) + channels * Q::bits / 8;

  // Takes one block apart.
  static void read(const std::byte* from, std::uint8_t* level, half& scale,
                   half& minimum) noexcept {
    scale = half_at(from);
    from += 2;
    if constexpr (Q::affine) {
      minimum = half_at(from);
      from += 2;
    }
    if constexpr (Q::bits == 8) {
      // Signed in the file; flipping the top bit adds 128.
      for (std::size_t c = 0; c < channels; ++c)
        level[c] = std::to_integer<std::uint8_t>(from[c]) ^ 0x80u;
    } else {
      for (std::size_t c = 0; c < 16; ++c) {
        level[c] = std::to_integer<std::uint8_t>(from[c] & std::byte{15});
        level[16 + c] = std::to_integer<std::uint8_t>(from[c] >> 4);
      }
    }
  }

 private:
  static half half_at(const std::byte* p) noexcept {
    return half{static_cast<std::uint16_t>(std::to_integer<unsigned>(p[0]) |
                                           std::to_integer<unsigned>(p[1]) << 8)};
  }
};

}  // namespace sparsellm::inline v0
