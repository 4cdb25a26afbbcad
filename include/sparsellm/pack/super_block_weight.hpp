// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels know of a weight of GGUF's K-quants. As pack/quantized_weight.hpp, in strips of 128
// outputs, but a block's scales, and minima when affine, are integers, and 256 channels, a
// super-block, have a step for each:
//   w[o][c] = scale_step[o] · scale[o] · (level[o][c] − zero) + minimum_step[o] · minimum[o]
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::detail {

// Where one kind of thing lies: the first byte, and how far the next strip's is.
struct strip_array {
  const std::byte* data;
  std::size_t strip_stride;
};

// All strides in bytes.
template <int Bits, bool Affine>
struct super_block_weight {
  static constexpr int bits = Bits;
  static constexpr bool affine = Affine, non_linear = false;
  static constexpr std::size_t block_channels = super_block_quantized<Bits>::block_channels;
  static constexpr std::size_t super_blocks = super_block_channels / block_channels;
  static constexpr std::size_t outputs = strip_outputs<Bits>;
  static_assert(super_block_quantized<Bits>::affine == Affine);

  extents shape;
  strip_array step, scale, low, high;  // of the first super-block
  std::size_t super_stride;            // from a super-block to the next of the same strip
  std::size_t block_stride;            // from a block to the next of the same super-block
  std::size_t channel_stride;          // from a channel's low bits to the next's, same strip
  std::size_t high_channel_stride;     // from a channel's high bits to the next's, same strip

  [[nodiscard]] super_block_weight from_strip(std::size_t s, std::size_t most) const noexcept {
    super_block_weight strips = *this;
    for (strip_array* a : {&strips.step, &strips.scale, &strips.low, &strips.high})
      a->data += s * a->strip_stride;
    const std::size_t left = shape.outputs - s * outputs;
    strips.shape.outputs = most < left ? most : left;
    return strips;
  }
  [[nodiscard]] SPARSELLM_INLINE std::size_t strips() const noexcept {
    return (shape.outputs + outputs - 1) / outputs;
  }
  [[nodiscard]] SPARSELLM_INLINE std::size_t blocks() const noexcept {
    return (shape.inputs + block_channels - 1) / block_channels;
  }
  // [outputs], of the super-block that b is in.
  [[nodiscard]] SPARSELLM_INLINE const half* scale_steps(std::size_t s,
                                                         std::size_t b) const noexcept {
    return reinterpret_cast<const half*>(step.data + s * step.strip_stride +
                                         b / super_blocks * super_stride);
  }
  [[nodiscard]] SPARSELLM_INLINE const half* minimum_steps(std::size_t s,
                                                           std::size_t b) const noexcept {
    return scale_steps(s, b) + outputs;
  }
  // [outputs]
  [[nodiscard]] SPARSELLM_INLINE const std::int8_t* scales(std::size_t s,
                                                           std::size_t b) const noexcept {
    return reinterpret_cast<const std::int8_t*>(at(scale, s, b));
  }
  [[nodiscard]] SPARSELLM_INLINE const std::int8_t* minima(std::size_t s,
                                                           std::size_t b) const noexcept {
    return scales(s, b) + outputs;
  }
  // Of the block's channel c at + c · channel_stride, and at + c · high_stride().
  [[nodiscard]] SPARSELLM_INLINE const std::uint8_t* levels(std::size_t s,
                                                            std::size_t b) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(at(low, s, b));
  }
  [[nodiscard]] SPARSELLM_INLINE const std::uint8_t* high_levels(std::size_t s,
                                                                 std::size_t b) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(at(high, s, b));
  }
  [[nodiscard]] SPARSELLM_INLINE std::size_t high_stride() const noexcept {
    return high_channel_stride;
  }

 private:
  [[nodiscard]] SPARSELLM_INLINE const std::byte* at(const strip_array& a, std::size_t s,
                                                     std::size_t b) const noexcept {
    return a.data + s * a.strip_stride + b / super_blocks * super_stride +
           b % super_blocks * block_stride;
  }
};

// A view of one, of either layout.
template <class V>
concept super_block_view = std::derived_from<V, super_block_weight<V::bits, V::affine>>;

}  // namespace sparsellm::inline v0::detail
