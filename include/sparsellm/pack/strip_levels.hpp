// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A strip's levels of one block, written and read in the order of pack/quantized_weight.hpp: rows
// of channels become channels of outputs, eight by eight bytes at a time, so that packing a file
// costs little beside reading it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/pack/byte_words.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// The rows of a strip, from one channel on; null where there is none.
template <int Bits>
struct block_levels {
  std::array<const std::uint8_t*, strip_outputs<Bits>> row{};

  // Row: has `level` [inputs].
  template <class Row>
  block_levels(const std::vector<Row>& rows, std::size_t count, std::size_t channel) noexcept {
    for (std::size_t r = 0; r < count; ++r) row[r] = rows[r].level.data() + channel;
  }
};

// Where a strip's levels of a block go; `bytes` of each channel are written, zeros behind the
// levels.
struct level_target {
  std::byte* data = nullptr;
  std::size_t channel_stride = 0, bytes = 0;
};

// Byte i of word j changes places with byte j of word i.
SPARSELLM_INLINE void transpose(std::uint64_t* word) noexcept {
  const auto swap = [&](std::size_t i, std::size_t distance, std::uint64_t low) {
    const unsigned shift = static_cast<unsigned>(8 * distance);
    const std::uint64_t moved = ((word[i] >> shift) ^ word[i + distance]) & low;
    word[i + distance] ^= moved;
    word[i] ^= moved << shift;
  };
  for (std::size_t i = 0; i < 4; ++i) swap(i, 4, 0x00000000ffffffffu);
  for (const std::size_t i : {0u, 1u, 4u, 5u}) swap(i, 2, 0x0000ffff0000ffffu);
  for (const std::size_t i : {0u, 2u, 4u, 6u}) swap(i, 1, 0x00ff00ff00ff00ffu);
}

// The first eight bytes of what transposes to bytes [at, at + 8) of up to `count` channels.
template <class Word>
SPARSELLM_INLINE void put_channels(level_target to, std::size_t c0, std::size_t count,
                                   std::size_t at, const Word& word_for) noexcept {
  std::uint64_t words[8];
  for (std::size_t i = 0; i < 8; ++i) words[i] = word_for(at + i);
  transpose(words);
  for (std::size_t c = 0; c < count; ++c)
    put_word(to.data + (c0 + c) * to.channel_stride + at, words[c]);
}

// The levels of eight channels, or the `count` that there are, as a word.
[[nodiscard]] SPARSELLM_INLINE std::uint64_t levels_of(const std::uint8_t* level,
                                                       std::size_t count) noexcept {
  if (level == nullptr) return 0;
  if (count == 8) return word_of(level);
  std::uint8_t some[8] = {};
  std::copy_n(level, count, some);
  return word_of(some);
}

// word [strip_outputs]: eight channels of each row, of which `count` are written, from c0 on.
template <int Bits>
void put_low(level_target to, std::size_t c0, std::size_t count,
             const std::uint64_t* word) noexcept {
  for (std::size_t at = 0; at < strip_bytes; at += 8)
    put_channels(to, c0, count, at, [&](std::size_t p) {
      const std::size_t o = p / 4 % 4 * 16 + p / 16 * 4 + p % 4;  // byte_of_output()'s inverse
      if constexpr (Bits == 8) {
        return word[o];
      } else {
        constexpr std::uint64_t nibbles = eight(15);
        return (word[o] & nibbles) | (word[o + 64] & nibbles) << 4;
      }
    });
}

template <int Bits>
void put_high(level_target to, std::size_t c0, std::size_t count,
              const std::uint64_t* word) noexcept {
  constexpr unsigned bits = Bits - 4;
  constexpr std::size_t outputs = 8 / bits;  // of a byte
  constexpr std::uint64_t lowest = eight((1u << bits) - 1);
  for (std::size_t at = 0; at < high_bytes<Bits>; at += 8)
    put_channels(to, c0, count, at, [&](std::size_t p) {
      std::uint64_t byte = 0;
      for (unsigned i = 0; i < outputs; ++i)
        byte |= ((word[p / 16 * outputs * 16 + 16 * i + p % 16] >> 4) & lowest) << (bits * i);
      return byte;
    });
}

// Zeros behind `written` bytes of each channel, and in all of the block's last ones.
inline void clear_rest(level_target to, std::size_t written, std::size_t channels,
                       std::size_t block_channels) noexcept {
  for (std::size_t c = 0; c < block_channels; ++c) {
    std::byte* const channel = to.data + c * to.channel_stride;
    std::fill(channel + (c < channels ? written : 0), channel + to.bytes, std::byte{});
  }
}

// Writes a block of which `channels` channels are there. high: where bits above four go, of five
// and six.
template <int Bits>
void write_levels(const block_levels<Bits>& from, std::size_t channels, std::size_t block_channels,
                  level_target low, level_target high) noexcept {
  for (std::size_t c0 = 0; c0 < channels; c0 += 8) {
    const std::size_t n = std::min<std::size_t>(8, channels - c0);
    std::uint64_t word[strip_outputs<Bits>];
    for (std::size_t r = 0; r < strip_outputs<Bits>; ++r)
      word[r] = levels_of(from.row[r] == nullptr ? nullptr : from.row[r] + c0, n);
    put_low<Bits>(low, c0, n, word);
    if constexpr (Bits == 5 || Bits == 6) put_high<Bits>(high, c0, n, word);
  }
  clear_rest(low, strip_bytes, channels, block_channels);
  if constexpr (Bits == 5 || Bits == 6)
    clear_rest(high, high_bytes<Bits>, channels, block_channels);
}

// What write_levels() wrote for output o of strip s and channel c of block b.
template <class W>
[[nodiscard]] int level_at(const W& w, std::size_t s, std::size_t b, std::size_t c,
                           std::size_t o) noexcept {
  const std::uint8_t byte = w.levels(s, b)[c * w.channel_stride + byte_of_output(o % 64)];
  if constexpr (W::bits == 8) return byte;
  int level = o < 64 ? byte & 15 : byte >> 4;
  if constexpr (W::bits == 5 || W::bits == 6) {
    constexpr std::size_t count = W::bits - 4, in_byte = 8 / count;
    const std::uint8_t high =
        w.high_levels(s, b)[c * w.high_stride() + o / (16 * in_byte) * 16 + o % 16];
    level |= (high >> (o / 16 % in_byte * count) & ((1 << count) - 1)) << 4;
  }
  return level;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
