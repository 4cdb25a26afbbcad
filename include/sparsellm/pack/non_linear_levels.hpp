// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The numbers that non-linear levels of 4 bits stand for, those of GGUF's IQ4_NL: dense near zero,
// as weights are. Kept as unsigned bytes, as levels of 8 bits are, so that one look-up by a byte
// shuffle makes them such.
#pragma once

#include <cstdint>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail {

// -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, and 128 more.
alignas(16) inline constexpr std::uint8_t non_linear_levels[16] = {
    1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

// The level whose number is the nearest to x, in the table's units and the lower of two as near.
[[nodiscard]] inline std::uint8_t nearest_non_linear(float x) noexcept {
  std::uint8_t level = 0;
  const auto middle = [](int l) {
    return 0.5f * static_cast<float>(non_linear_levels[l] + non_linear_levels[l + 1]) - 128.0f;
  };
  while (level < 15 && x > middle(level)) ++level;
  return level;
}

}  // namespace sparsellm::inline v0::detail
