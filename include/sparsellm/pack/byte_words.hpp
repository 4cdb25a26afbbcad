// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Eight bytes as a word, the first lowest, so that packing handles eight levels at a time on any
// machine; compilers do not make one access of the loops at -O2.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

[[nodiscard]] SPARSELLM_INLINE std::uint64_t word_of(const std::uint8_t* p) noexcept {
  std::uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&word, p, sizeof word);
  } else {
    for (unsigned i = 0; i < 8; ++i) word |= std::uint64_t{p[i]} << (8 * i);
  }
  return word;
}

template <class Byte>
SPARSELLM_INLINE void put_word(Byte* p, std::uint64_t word) noexcept {
  static_assert(sizeof(Byte) == 1);
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(p, &word, sizeof word);
  } else {
    for (unsigned i = 0; i < 8; ++i) p[i] = static_cast<Byte>(word >> (8 * i));
  }
}

// The same byte eight times.
[[nodiscard]] SPARSELLM_INLINE constexpr std::uint64_t eight(std::uint8_t byte) noexcept {
  return byte * 0x0101010101010101u;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
