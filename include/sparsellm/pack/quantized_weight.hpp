// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels know of a quantised weight. Input channels are cut into blocks, outputs into strips
// whose levels of one channel are 64 bytes: 64 outputs of 8 bits, 128 of 4 (what 5 and 6 bits have
// beyond four stands apart: pack/super_block_weight.hpp). Each (strip, block) has
// a scale, and when affine a minimum, per output:
//   w[o][c] = scale[o] · (level[o][c] − zero) + minimum[o]
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

// The byte of a strip's channel that holds output o in [0, 64); for 4 bits, outputs o and o + 64
// are its low and high nibble. In this order, interleaving the bytes of four channels (as unpack
// instructions of 128-bit lanes do) leaves sums whose outputs are in order.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t byte_of_output(
    std::size_t o) noexcept {
  return o / 4 % 4 * 16 + o / 16 * 4 + o % 4;
}

// All strides and offsets in bytes.
template <int Bits, bool Affine>
struct quantized_weight {
  static constexpr int bits = Bits;
  static constexpr bool affine = Affine;

  const std::byte* data;
  extents shape;
  std::size_t block_channels;
  std::size_t block_stride;    // from a block to the next of the same strip
  std::size_t scale_stride;    // from a strip's scales to the next strip's, same block
  std::size_t channel_stride;  // from a channel's levels to the next channel's, same strip
  std::size_t strip_stride;    // from a strip's levels to the next strip's, same channel
  std::size_t minimum_at;      // minima after the scales
  std::size_t levels_at;       // levels after the block's first byte

  // Strips [s, …) as a weight of their own, of at most `outputs` outputs.
  [[nodiscard]] quantized_weight from_strip(std::size_t s, std::size_t outputs) const noexcept {
    quantized_weight strips = *this;
    strips.data += s * scale_stride;
    strips.levels_at += s * strip_stride - s * scale_stride;
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
};

// A view of one, of either layout.
template <class V>
concept quantized_view = std::derived_from<V, quantized_weight<V::bits, V::affine>>;

}  // namespace sparsellm::inline v0::detail
