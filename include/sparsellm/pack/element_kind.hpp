// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the elements of a weight are, for engines that decide it when they run.
#pragma once

#include <cstddef>
#include <string_view>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0 {

// i8: 8-bit levels with one scale per output; N:M weights alone.
enum class element_kind {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  iq4_nl,
  i8,
  q4_k,
  q5_k,
  q6_k
};

// Whether weights are integer levels times a scale.
[[nodiscard]] constexpr bool is_quantized(element_kind e) noexcept {
  return e >= element_kind::q8_0;
}
// Whether they are GGUF's K-quants.
[[nodiscard]] constexpr bool has_super_blocks(element_kind e) noexcept {
  return e >= element_kind::q4_k;
}

// Of one weight, scales and minima not counted.
[[nodiscard]] constexpr std::size_t bits_of(element_kind e) noexcept {
  constexpr std::size_t bits[] = {32, 16, 16, 8, 4, 4, 5, 5, 4, 8, 4, 5, 6};
  return bits[static_cast<std::size_t>(e)];
}

// As files and messages spell it.
[[nodiscard]] constexpr std::string_view name(element_kind e) noexcept {
  constexpr std::string_view names[] = {"f32",  "f16",    "bf16", "q8_0", "q4_0", "q4_1", "q5_0",
                                        "q5_1", "iq4_nl", "i8",   "q4_k", "q5_k", "q6_k"};
  return names[static_cast<std::size_t>(e)];
}

}  // namespace sparsellm::inline v0
