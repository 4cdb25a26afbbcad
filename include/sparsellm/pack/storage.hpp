// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the elements of a weight are, for engines that decide it when they run.
#pragma once

#include <cstddef>
#include <string_view>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// i8: 8-bit levels, a scale an output; N:M weights alone.
enum class storage { f32, f16, bf16, q8_0, q4_0, q4_1, i8 };

[[nodiscard]] constexpr bool is_quantized(storage s) noexcept { return s >= storage::q8_0; }

// Of one weight, scales and minima not counted.
[[nodiscard]] constexpr std::size_t bits_of(storage s) noexcept {
  constexpr std::size_t bits[] = {32, 16, 16, 8, 4, 4, 8};
  return bits[static_cast<std::size_t>(s)];
}

[[nodiscard]] constexpr std::string_view name(storage s) noexcept {
  constexpr std::string_view names[] = {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "i8"};
  return names[static_cast<std::size_t>(s)];
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
