// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels know of a quantised weight. Input channels are cut into blocks, outputs into strips
// whose levels of one channel are 64 bytes: 64 outputs of 8 bits, 128 of 4. Levels of five and six
// bits are cut in two: four bits stand as levels of four bits do, and what is above them in a plane
// of its own, 16 bytes of one channel's fifth bits (32 of the fifth and sixth): byte l of them
// holds output l, 16 + l, 32 + l, … from its low bits on, byte 16 + l of six bits 64 + l, 80 + l,
// …. Each (strip, block) has a scale, and when affine a minimum, per output:
//   w[o][c] = scale[o] · (level[o][c] − zero) + minimum[o]
// A non-linear level is a place in a table, whose number it stands for.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail {

inline constexpr std::size_t strip_bytes = 64;

template <int Bits>
inline constexpr std::size_t strip_outputs = strip_bytes * (Bits == 8 ? 1 : 2);

// The unsigned level that means 0: symmetric levels are stored with half the range added.
template <int Bits, bool Affine>
inline constexpr int zero_level = Affine ? 0 : 1 << (Bits - 1);

// Bytes of the upper plane of a strip's channel.
template <int Bits>
inline constexpr std::size_t high_bytes =
    Bits == 8 ? 0 : strip_outputs<Bits> / 8 * static_cast<std::size_t>(Bits - 4);

// From a channel of channel_major to the next: whole lines. Channels that are a multiple of 1 KiB
// apart share few sets of the cache: a line more keeps the four that are read together, and what is
// prefetched for the next four, out of each other's way (8 bits, 4096 outputs: 13 % faster at 50 %,
// 22 % dense; 8 % for 4 bits).
template <int Bits>
[[nodiscard]] constexpr std::size_t spread_channels(std::size_t strips) noexcept {
  const std::size_t lines = (strips * (strip_bytes + high_bytes<Bits>)+63) / 64;
  return (lines + (lines % 16 == 0 ? 1 : 0)) * 64;
}

// The byte of a strip's channel that holds output o in [0, 64); for 4 bits, outputs o and o + 64
// are its low and high nibble. In this order, interleaving the bytes of four channels (as unpack
// instructions of 128-bit lanes do) leaves sums whose outputs are in order.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t byte_of_output(
    std::size_t o) noexcept {
  return o / 4 % 4 * 16 + o / 16 * 4 + o % 4;
}

// Where a block's upper bits lie: from its first byte on, from a channel to the next of the same
// strip, and from a strip to the next.
struct high_plane {
  std::size_t at, channel_stride, strip_stride;
};

// All strides and offsets in bytes.
template <int Bits, bool Affine, bool NonLinear = false>
struct quantized_weight {
  static constexpr int bits = Bits;
  static constexpr bool affine = Affine, non_linear = NonLinear;

  const std::byte* data;
  extents shape;
  std::size_t block_channels;
  std::size_t block_stride;    // from a block to the next of the same strip
  std::size_t scale_stride;    // from a strip's scales to the next strip's, same block
  std::size_t channel_stride;  // from a channel's levels to the next channel's, same strip
  std::size_t strip_stride;    // from a strip's levels to the next strip's, same channel
  std::size_t minimum_at;      // minima after the scales
  std::size_t levels_at;       // levels after the block's first byte
  high_plane high;             // of 5 bits

  // Strips [s, …) as a weight of their own, of at most `outputs` outputs.
  [[nodiscard]] quantized_weight from_strip(std::size_t s, std::size_t outputs) const noexcept {
    quantized_weight strips = *this;
    strips.data += s * scale_stride;
    strips.levels_at += s * strip_stride - s * scale_stride;
    strips.high.at += s * high.strip_stride - s * scale_stride;
    const std::size_t left = shape.outputs - s * strip_outputs<Bits>;
    strips.shape.outputs = outputs < left ? outputs : left;
    return strips;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t strips() const noexcept {
    return (shape.outputs + strip_outputs<Bits> - 1) / strip_outputs<Bits>;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t blocks() const noexcept {
    return (shape.inputs + block_channels - 1) / block_channels;
  }
  // [strip_outputs]
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const half* scales(std::size_t s,
                                                                 std::size_t b) const noexcept {
    return reinterpret_cast<const half*>(data + b * block_stride + s * scale_stride);
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const half* minima(std::size_t s,
                                                                 std::size_t b) const noexcept {
    return scales(s, b) + minimum_at / sizeof(half);
  }
  // Of the block's channel c at + c · channel_stride.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const std::uint8_t* levels(
      std::size_t s, std::size_t b) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(data + b * block_stride + levels_at +
                                                 s * strip_stride);
  }
  // At + c · high_stride().
  [[nodiscard]] SPARSELLM_INLINE const std::uint8_t* high_levels(std::size_t s,
                                                                 std::size_t b) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(data + b * block_stride + high.at +
                                                 s * high.strip_stride);
  }
  [[nodiscard]] SPARSELLM_INLINE std::size_t high_stride() const noexcept {
    return high.channel_stride;
  }
};

// A view of one, of either layout.
template <class V>
concept quantized_view = std::derived_from<V, quantized_weight<V::bits, V::affine, V::non_linear>>;

}  // namespace sparsellm::inline v0::detail
