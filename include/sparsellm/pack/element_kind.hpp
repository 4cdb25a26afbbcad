// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the elements of a weight are, for engines that decide it when they run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/element.hpp"

namespace sparsellm::inline v0 {

// i8: 8-bit levels with one scale per output; N:M weights alone.
enum class element_kind { f32, f16, bf16, q8_0, q4_0, q4_1, i8 };

// Whether weights are integer levels times a scale.
[[nodiscard]] constexpr bool is_quantized(element_kind e) noexcept {
  return e >= element_kind::q8_0;
}

// Of one weight, scales and minima not counted.
[[nodiscard]] constexpr std::size_t bits_of(element_kind e) noexcept {
  constexpr std::size_t bits[] = {32, 16, 16, 8, 4, 4, 8};
  return bits[static_cast<std::size_t>(e)];
}

[[nodiscard]] constexpr std::string_view name(element_kind e) noexcept {
  constexpr std::string_view names[] = {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "i8"};
  return names[static_cast<std::size_t>(e)];
}

// The kind of an element type: float, half, bfloat16, q8_0, q4_0, q4_1 or std::int8_t.
template <class T>
[[nodiscard]] constexpr element_kind kind_of() noexcept {
  if constexpr (std::is_same_v<T, float>) return element_kind::f32;
  if constexpr (std::is_same_v<T, half>) return element_kind::f16;
  if constexpr (std::is_same_v<T, bfloat16>) return element_kind::bf16;
  if constexpr (std::is_same_v<T, q8_0>) return element_kind::q8_0;
  if constexpr (std::is_same_v<T, q4_0>) return element_kind::q4_0;
  if constexpr (std::is_same_v<T, q4_1>) return element_kind::q4_1;
  if constexpr (std::is_same_v<T, std::int8_t>) return element_kind::i8;
}

}  // namespace sparsellm::inline v0
