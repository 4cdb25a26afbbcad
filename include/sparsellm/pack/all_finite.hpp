// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a row of numbers has neither NaN nor infinities, eight bytes at a time: packing a file
// looks at every weight once.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// The exponent's bits, repeated through a word.
template <storage_scalar T>
inline constexpr std::uint64_t exponents = std::same_as<T, float>  ? 0x7f8000007f800000u
                                           : std::same_as<T, half> ? 0x7c007c007c007c00u
                                                                   : 0x7f807f807f807f80u;
// The exponents' lowest bits, and the signs'.
template <storage_scalar T>
inline constexpr std::uint64_t signs =
    std::same_as<T, float> ? 0x8000000080000000u : 0x8000800080008000u;
template <storage_scalar T>
inline constexpr std::uint64_t ones = signs<T> - exponents<T>;

template <storage_scalar T>
[[nodiscard]] bool all_finite(const T* row, std::size_t count) noexcept {
  constexpr std::size_t in_word = sizeof(std::uint64_t) / sizeof(T);
  // An exponent of ones alone is NaN or infinity: one more carries into the sign, which was
  // cleared.
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + in_word <= count; i += in_word) {
    std::uint64_t word;
    std::memcpy(&word, row + i, sizeof word);
    seen |= (word & exponents<T>)+ones<T>;
  }
  bool finite = (seen & signs<T>) == 0;
  for (; i < count; ++i) finite &= is_finite(widen(row[i]));
  return finite;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
