// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Where packed values go when a mask spreads them over lanes, for instruction sets that move bytes
// by a table: entry l is the place among the values of the one that lane l takes, and 0xff, which
// every such instruction makes zero, where the mask has none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail {

// The 8 lanes of a byte of mask, values of one byte.
struct byte_moves {
  alignas(32) std::uint8_t at[256][8];
  constexpr byte_moves() : at{} {
    for (unsigned mask = 0; mask < 256; ++mask)
      for (unsigned lane = 0, next = 0; lane < 8; ++lane)
        at[mask][lane] = static_cast<std::uint8_t>(((mask >> lane) & 1u) != 0 ? next++ : 0xff);
  }
  constexpr const std::uint8_t* operator[](std::size_t mask) const noexcept { return at[mask]; }
};
inline constexpr byte_moves expand_bytes{};

// How many lanes a byte of mask has.
struct byte_counts {
  std::uint8_t of[256];
  constexpr byte_counts() : of{} {
    for (unsigned mask = 0; mask < 256; ++mask)
      for (unsigned lane = 0; lane < 8; ++lane)
        of[mask] = static_cast<std::uint8_t>(of[mask] + ((mask >> lane) & 1u));
  }
  constexpr std::uint8_t operator[](std::size_t mask) const noexcept { return of[mask]; }
};
inline constexpr byte_counts expand_count{};

// `Lanes` lanes of `Lane` bytes, values of `Value` bytes each that go to the top of their lane.
template <unsigned Lanes, unsigned Lane, unsigned Value>
struct moves {
  alignas(32) std::uint8_t at[1u << Lanes][Lanes * Lane];
  constexpr moves() : at{} {
    for (unsigned mask = 0; mask < (1u << Lanes); ++mask)
      for (unsigned lane = 0; lane < Lanes; ++lane)
        for (unsigned b = 0; b < Lane; ++b) {
          const bool there = ((mask >> lane) & 1u) != 0 && b + Value >= Lane;
          at[mask][lane * Lane + b] =
              there ? static_cast<std::uint8_t>(Value * expand_count[mask & ((1u << lane) - 1)] +
                                                b - (Lane - Value))
                    : std::uint8_t{0xff};
        }
  }
  constexpr const std::uint8_t* operator[](std::size_t mask) const noexcept { return at[mask]; }
};
inline constexpr moves<8, 4, 2> expand_to_high{};  // 16-bit values to the high halves of words
inline constexpr moves<4, 4, 4> expand_words{};
inline constexpr moves<4, 2, 2> expand_halves{};

}  // namespace sparsellm::inline v0::detail
