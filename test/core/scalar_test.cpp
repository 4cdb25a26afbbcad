// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/core/scalar.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "catch2_any.hpp"

using namespace sparsellm;

namespace {

// What a bit pattern means, from the definition of the formats, in double.
double meaning(unsigned bits, int exponent_bits, int mantissa_bits) {
  const unsigned exponent = (bits >> mantissa_bits) & ((1u << exponent_bits) - 1);
  const unsigned mantissa = bits & ((1u << mantissa_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits >> (exponent_bits + mantissa_bits)) != 0 ? -1.0 : 1.0;
  if (exponent == (1u << exponent_bits) - 1)
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign *
         std::ldexp(1.0 + std::ldexp(mantissa, -mantissa_bits), static_cast<int>(exponent) - bias);
}

template <class T>
constexpr int exponent_bits = std::is_same_v<T, half> ? 5 : 8;

}  // namespace

TEMPLATE_TEST_CASE("scalar: every one of the 65,536 values widens to its meaning and comes back",
                   "", half, bfloat16) {
  constexpr int e = exponent_bits<TestType>, m = 15 - e;
  std::size_t wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const TestType value{static_cast<std::uint16_t>(bits)};
    const float wide = widen(value);
    const double expected = meaning(bits, e, m);
    const TestType back = narrow<TestType>(wide);
    if (std::isnan(expected))
      wrong += !std::isnan(wide) || !std::isnan(widen(back)) ||
               std::signbit(wide) != ((bits & 0x8000u) != 0);
    else
      wrong += static_cast<double>(wide) != expected ||
               std::signbit(wide) != ((bits & 0x8000u) != 0) || !(back == value);
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("scalar: narrowing rounds to nearest, ties to even, for every gap", "", half,
                   bfloat16) {
  constexpr int e = exponent_bits<TestType>, m = 15 - e;
  const unsigned infinity = ((1u << e) - 1) << m;
  std::size_t wrong = 0;
  for (unsigned bits = 0; bits < infinity; ++bits) {
    const float low = widen(TestType{static_cast<std::uint16_t>(bits)});
    // The gap above the largest finite value ends where the next exponent would begin.
    const double high =
        bits + 1 == infinity ? std::ldexp(1.0, 1 << (e - 1)) : meaning(bits + 1, e, m);
    const auto tie = static_cast<float>((static_cast<double>(low) + high) / 2);
    const unsigned even = (bits & 1) == 0 ? bits : bits + 1;
    wrong += narrow<TestType>(tie).bits != even;
    wrong += narrow<TestType>(std::nextafter(tie, 0.0f)).bits != bits;
    wrong += narrow<TestType>(std::nextafter(tie, std::numeric_limits<float>::infinity())).bits !=
             bits + 1;
    wrong += narrow<TestType>(-tie).bits != (even | 0x8000u);
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("scalar: NaN stays NaN and overflow becomes infinity", "", half, bfloat16) {
  CHECK(std::isnan(widen(narrow<TestType>(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isinf(widen(narrow<TestType>(std::numeric_limits<float>::max()))));
  CHECK(std::isinf(widen(narrow<TestType>(-std::numeric_limits<float>::infinity()))));
  // A payload only in the low bits must not round away to infinity.
  std::uint32_t bits = 0x7f800001u;
  float nan;
  std::memcpy(&nan, &bits, sizeof nan);
  CHECK(std::isnan(widen(narrow<TestType>(nan))));
}

TEMPLATE_TEST_CASE("scalar: the relative error of a normal number is at most unit_roundoff", "",
                   half, bfloat16) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> numbers(0.001f, 1000.0f);
  float worst = 0;
  for (int i = 0; i < 100000; ++i) {
    const float x = numbers(random);
    worst = std::max(worst, std::fabs(widen(narrow<TestType>(x)) - x) / x);
  }
  CHECK(worst <= unit_roundoff<TestType>);
  CHECK(worst > 0.9f * unit_roundoff<TestType>);
}

static_assert(widen(narrow<bfloat16>(1.5f)) == 1.5f, "conversions are constexpr");
static_assert(sizeof(half) == 2 && sizeof(bfloat16) == 2);

TEST_CASE("scalar: finite, infinite and NaN are told apart by their bits") {
  for (const float sign : {1.0f, -1.0f}) {
    for (const float x : {0.0f, std::numeric_limits<float>::denorm_min(), 1.0f,
                          std::numeric_limits<float>::max()}) {
      CHECK(is_finite(sign * x));
      CHECK(is_finite(static_cast<double>(sign * x)));
      CHECK_FALSE(is_nan(static_cast<double>(sign * x)));
    }
    CHECK(is_finite(sign * std::numeric_limits<double>::max()));
    CHECK_FALSE(is_finite(sign * std::numeric_limits<float>::infinity()));
    CHECK_FALSE(is_finite(sign * std::numeric_limits<double>::infinity()));
    CHECK_FALSE(is_nan(sign * std::numeric_limits<double>::infinity()));
    CHECK_FALSE(is_finite(std::copysign(std::numeric_limits<float>::quiet_NaN(), sign)));
    CHECK_FALSE(is_finite(std::copysign(std::numeric_limits<double>::quiet_NaN(), sign)));
    CHECK(is_nan(std::copysign(std::numeric_limits<double>::quiet_NaN(), sign)));
  }
  CHECK(is_nan(std::numeric_limits<double>::signaling_NaN()));
}
