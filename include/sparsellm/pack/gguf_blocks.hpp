// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF's blocks of 32 and 256 weights, as the bytes of a file have them (little-endian, no
// padding):
//   Q8_0  [scale: half][32 signed levels]                                        34 bytes
//   Q4_0  [scale: half][16 bytes: low nibbles channels 0..15, high 16..31]       18 bytes
//   Q4_1  [scale: half][minimum: half][16 bytes as Q4_0]                         20 bytes
//   Q5_0  [scale: half][4 bytes: bit c is the fifth of channel c][16 bytes as Q4_0]  22 bytes
//   Q5_1  [scale: half][minimum: half][fifth bits as Q5_0][16 bytes as Q4_0]     24 bytes
//   IQ4_NL  as Q4_0, each level a place in a table (pack/non_linear_levels.hpp)  18 bytes
//   Q4_K  [d: half][dmin: half][12 bytes: scales and minima, 6 bits each][128 bytes: of every 64
//         channels the first 32 in low nibbles, the others in high ones]        144 bytes
//   Q5_K  [d][dmin][scales and minima as Q4_K][32 bytes: bit j of byte i is the fifth of channel
//         32 j + i][128 bytes as Q4_K]                                          176 bytes
//   Q6_K  [128 bytes: low nibbles][64 bytes: bits five and six][16 signed scales][d]   210 bytes
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/byte_words.hpp"
#include "sparsellm/pack/element.hpp"

namespace sparsellm::inline v0::detail {

[[nodiscard]] inline half gguf_half(const std::byte* p) noexcept {
  return half{static_cast<std::uint16_t>(std::to_integer<unsigned>(p[0]) |
                                         std::to_integer<unsigned>(p[1]) << 8)};
}

}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0 {

// channels and bytes of a block; read(from, level [channels], scale, minimum) takes it apart into
// the levels that this library stores, unsigned.
template <class Q>
struct gguf_block;

template <quantized_element Q>
struct gguf_block<Q> {
  static_assert(Q::block_channels == 32,
                "sparsellm: GGUF has blocks of 32 channels for q8_0, q4_0, q4_1, q5_0, q5_1 and "
                "iq4_nl");
  static constexpr std::size_t channels = 32;
  static constexpr std::size_t bytes = 2 + (Q::affine ? 2 : 0) + channels * Q::bits / 8;

  // Takes one block apart.
  static void read(const std::byte* from, std::uint8_t* level, half& scale,
                   half& minimum) noexcept {
    scale = detail::gguf_half(from);
    from += 2;
    if constexpr (Q::affine) {
      minimum = detail::gguf_half(from);
      from += 2;
    }
    const auto* const byte = reinterpret_cast<const std::uint8_t*>(from);
    if constexpr (Q::bits == 8) {
      // Signed in the file; flipping the top bit adds 128.
      for (std::size_t c = 0; c < channels; c += 8)
        detail::put_word(level + c, detail::word_of(byte + c) ^ detail::eight(0x80));
    } else {
      const std::uint8_t* const nibbles = byte + (Q::bits == 5 ? 4 : 0);
      for (std::size_t c = 0; c < 16; c += 8) {
        const std::uint64_t two = detail::word_of(nibbles + c);
        std::uint64_t first = two & detail::eight(15), second = two >> 4 & detail::eight(15);
        if constexpr (Q::bits == 5) {
          first |= fifths(byte[c / 8]);
          second |= fifths(byte[2 + c / 8]);
        }
        detail::put_word(level + c, first);
        detail::put_word(level + 16 + c, second);
      }
    }
  }

 private:
  // 16 in byte i where bit i is set.
  static std::uint64_t fifths(std::uint8_t bits) noexcept {
    const std::uint64_t own = detail::eight(bits) & 0x8040201008040201u;
    return (own + detail::eight(0x7f)) >> 3 & detail::eight(16);
  }
};

// As the other, with integer scales [blocks of Q] and minima, whose steps come beside them; a step
// of minima is the file's dmin with its sign changed. Of Q6_K, minima are left alone.
template <super_block_element Q>
struct gguf_block<Q> {
  static constexpr std::size_t channels = super_block_channels;
  static constexpr std::size_t bytes = Q::bits == 4 ? 144 : Q::bits == 5 ? 176 : 210;

  // Takes one super-block apart.
  static void read(const std::byte* from, std::uint8_t* level, std::int8_t* scale,
                   std::int8_t* minimum, half& scale_step, half& minimum_step) noexcept {
    const auto* const byte = reinterpret_cast<const std::uint8_t*>(from);
    if constexpr (Q::bits == 6) {
      for (std::size_t i = 0; i < 2; ++i)
        read_six(byte + 64 * i, byte + 128 + 32 * i, level + 128 * i);
      for (std::size_t b = 0; b < 16; ++b) scale[b] = static_cast<std::int8_t>(byte[192 + b]);
      scale_step = detail::gguf_half(from + 208);
    } else {
      scale_step = detail::gguf_half(from);
      minimum_step = detail::gguf_half(from + 2);
      minimum_step.bits = static_cast<std::uint16_t>(minimum_step.bits ^ 0x8000u);
      read_scales(byte + 4, scale, minimum);
      const std::uint8_t* const low = byte + bytes - 128;
      for (std::size_t j = 0; j < 8; ++j)
        for (std::size_t c = 0; c < 32; c += 8) {
          const std::uint64_t two = detail::word_of(low + j / 2 * 32 + c);
          std::uint64_t l = (j % 2 == 0 ? two : two >> 4) & detail::eight(15);
          if constexpr (Q::bits == 5)
            l |= (detail::word_of(byte + 16 + c) >> j & detail::eight(1)) << 4;
          detail::put_word(level + 32 * j + c, l);
        }
    }
  }

 private:
  // Blocks 0 to 3 have their six bits in one byte each; of 4 to 7 the lower four stand in the last
  // four bytes, the upper two above the six bits of blocks 0 to 3.
  static void read_scales(const std::uint8_t* packed, std::int8_t* scale,
                          std::int8_t* minimum) noexcept {
    for (std::size_t j = 0; j < 4; ++j) {
      scale[j] = static_cast<std::int8_t>(packed[j] & 63);
      minimum[j] = static_cast<std::int8_t>(packed[4 + j] & 63);
      scale[4 + j] = static_cast<std::int8_t>((packed[8 + j] & 15) | packed[j] >> 6 << 4);
      minimum[4 + j] = static_cast<std::int8_t>(packed[8 + j] >> 4 | packed[4 + j] >> 6 << 4);
    }
  }
  // 128 channels: of each 32, bits five and six are a pair of the same 32 bytes.
  static void read_six(const std::uint8_t* low, const std::uint8_t* high,
                       std::uint8_t* level) noexcept {
    for (std::size_t q = 0; q < 4; ++q)
      for (std::size_t c = 0; c < 32; c += 8) {
        const std::uint64_t two = detail::word_of(low + q % 2 * 32 + c);
        const std::uint64_t nibble = (q < 2 ? two : two >> 4) & detail::eight(15);
        const std::uint64_t upper = detail::word_of(high + c) >> (2 * q) & detail::eight(3);
        detail::put_word(level + 32 * q + c, nibble | upper << 4);
      }
  }
};

}  // namespace sparsellm::inline v0
