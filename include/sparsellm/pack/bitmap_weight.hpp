// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels know of a weight whose channels are stored one after the other, each as a mask over
// the outputs and the values of those it keeps. Channels differ in length; where each begins is
// listed.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail {

// Outputs of one word of a channel's mask, and those that values are counted for.
inline constexpr std::size_t bitmap_outputs = 64, counted_outputs = 256;
inline constexpr std::size_t counted_words = counted_outputs / bitmap_outputs;

// T: float, half, bfloat16, or std::int8_t for levels with one scale per output.
template <class T>
struct bitmap_weight {
  using element = T;

  const std::byte* data;
  extents shape;
  const std::uint32_t* begins;  // [inputs + 1]: channel c is lines [begins[c], begins[c + 1]) of 64
                                // bytes from `data` on
  const float* scales;          // [words · 64] for levels, else null
  // [outputs / 256, rounded up][inputs]: how many values of a channel belong to outputs below 256,
  // 512, ..., and at last to all. A product that begins behind the first output need not count the
  // bits before it.
  const std::uint32_t* ends;

  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE std::size_t words() const noexcept {
    return (shape.outputs + bitmap_outputs - 1) / bitmap_outputs;
  }
  // [words]: bit o mod 64 of word o / 64 is output o.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const std::uint64_t* mask(
      std::size_t c) const noexcept {
    return reinterpret_cast<const std::uint64_t*>(data + std::size_t{begins[c]} * 64);
  }
  // How many values of a channel precede those of a word of its mask. On the host.
  [[nodiscard]] SPARSELLM_INLINE std::size_t values_before(std::size_t c,
                                                           std::size_t word) const noexcept {
    const std::size_t counted = word / counted_words;
    std::size_t before = counted == 0 ? 0 : ends[(counted - 1) * shape.inputs + c];
    const std::uint64_t* const words_of = mask(c);
    for (std::size_t i = counted * counted_words; i < word; ++i)
      before += static_cast<std::size_t>(std::popcount(words_of[i]));
    return before;
  }
  // Ascending outputs; kernels may read up to 64 bytes more.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE const T* values(std::size_t c) const noexcept {
    return reinterpret_cast<const T*>(mask(c) + words());
  }
};

// A view of one, of any pattern.
template <class V>
concept bitmap_view = std::derived_from<V, bitmap_weight<typename V::element>>;

}  // namespace sparsellm::inline v0::detail
