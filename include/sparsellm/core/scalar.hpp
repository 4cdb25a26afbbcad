// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Storage types for weights: float, half (IEEE binary16) and bfloat16. They store, they do not
// compute: arithmetic is done in float after widen(). narrow() rounds to nearest, ties to even;
// overflow becomes infinity and NaN stays NaN. (__builtin_bit_cast, for std::bit_cast may not be
// called in device code.)
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0 {

// IEEE binary16, by its bits.
struct half {
  std::uint16_t bits;
  friend constexpr bool operator==(half, half) = default;
};

// The upper half of a float, by its bits.
struct bfloat16 {
  std::uint16_t bits;
  friend constexpr bool operator==(bfloat16, bfloat16) = default;
};

// As float; exact.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr float widen(float x) noexcept { return x; }

// As float; exact.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr float widen(bfloat16 x) noexcept {
  return __builtin_bit_cast(float, std::uint32_t{x.bits} << 16);
}

// As float; exact, NaN made quiet.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr float widen(half x) noexcept {
  const std::uint32_t sign = std::uint32_t{x.bits & 0x8000u} << 16;
  const std::uint32_t magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u)  // infinity and NaN: exponent all ones, payload kept, NaN made quiet
    return __builtin_bit_cast(float, sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13) |
                                         ((magnitude & 0x3ffu) != 0 ? 0x400000u : 0u));
  if (magnitude >= 0x0400u)  // normal: rebias the exponent from 15 to 127
    return __builtin_bit_cast(float, sign | ((magnitude << 13) + (112u << 23)));
  // Subnormal or zero: magnitude · 2^-24 is exact in float.
  const float value = static_cast<float>(magnitude) * 0x1p-24f;
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(std::uint32_t, value));
}

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::detail::rounding {

// The bits of the nearest bfloat16, ties to even.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::uint16_t to_bfloat16(float x) noexcept {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  if ((bits & 0x7fffffffu) > 0x7f800000u)  // NaN: keep the top of the payload, never round to inf
    return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// The bits of the nearest half, ties to even.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::uint16_t to_half(float x) noexcept {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)  // NaN
    return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u)  // 65520 and more rounds to infinity
    return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // below 2^-14: the result is subnormal
    // Adding 0.5 puts the last place of the sum at 2^-24, so the addition does the rounding.
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign |
                                      (__builtin_bit_cast(std::uint32_t, shifted) - 0x3f000000u));
  }
  const std::uint32_t rebiased = magnitude - (112u << 23);
  return static_cast<std::uint16_t>(sign | ((rebiased + 0xfffu + ((rebiased >> 13) & 1u)) >> 13));
}

}  // namespace sparsellm::inline v0::detail::rounding

namespace sparsellm::inline v0 {

// By the bits: the standard library's is one function for all files of a program, and where one is
// built with -ffast-math the linker may keep the body that always says yes.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr bool is_finite(float x) noexcept {
  return (__builtin_bit_cast(std::uint32_t, x) & 0x7fffffffu) < 0x7f800000u;
}
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr bool is_finite(double x) noexcept {
  return (__builtin_bit_cast(std::uint64_t, x) << 1) < 0xffe0000000000000u;
}
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr bool is_nan(double x) noexcept {
  return (__builtin_bit_cast(std::uint64_t, x) << 1) > 0xffe0000000000000u;
}

// The closed list of types a weight may be stored in.
template <class T>
concept storage_scalar =
    std::same_as<T, float> || std::same_as<T, half> || std::same_as<T, bfloat16>;

// The nearest T, ties to even; too large becomes infinity.
template <storage_scalar T>
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr T narrow(float x) noexcept {
  if constexpr (std::same_as<T, float>)
    return x;
  else if constexpr (std::same_as<T, half>)
    return half{detail::rounding::to_half(x)};
  else
    return bfloat16{detail::rounding::to_bfloat16(x)};
}

// How messages and files call it.
template <storage_scalar T>
inline constexpr std::string_view scalar_name = std::same_as<T, float>  ? "f32"
                                                : std::same_as<T, half> ? "f16"
                                                                        : "bf16";

// Half the distance between neighbours relative to the value: the largest relative error that
// narrow<T>() makes on a normal number.
template <storage_scalar T>
inline constexpr float unit_roundoff = std::same_as<T, float>  ? 0x1p-24f
                                       : std::same_as<T, half> ? 0x1p-11f
                                                               : 0x1p-8f;

}  // namespace sparsellm::inline v0
