// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <sparsellm/cpu/isa/fused_multiply_add.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "catch2_any.hpp"

using sparsellm::detail::fused_in_double;
using sparsellm::detail::fused_multiply_add;

namespace {

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

}  // namespace

TEST_CASE("fused multiply-add: rounds once") {
  const float u = std::ldexp(1.0f, -24);
  const float smallest = std::ldexp(1.0f, -149),
              root = std::ldexp(1.0f, -75);  // root² = smallest / 2
  const struct {
    float a, b, c, is;
  } cases[] = {
      {1 + 2 * u, u, 1.0f, 1 + 2 * u},  // 1 + u + 2u², just above the middle of two floats
      {1 - u, u, 1.0f, 1.0f},           // and just below
      // 97 · 172961 = 2²⁴ + 1: the product is the middle, and what is added is beyond a double.
      {97.0f, 172961 * u, std::ldexp(1.0f, -72), 1 + 2 * u},
      {97.0f, 172961 * u, std::ldexp(-1.0f, -72), 1.0f},
      {-97.0f, 172961 * u, std::ldexp(1.0f, -72), -1.0f},
      {1 + 2 * u, 1 - u, -1.0f, u - 2 * u * u},
      {root, root * (1 + 2 * u), smallest, 2 * smallest},
      {root, root * (1 - u), smallest, smallest},
      {3e38f, 2.0f, -3e38f, 3e38f},
      {1.0f, -0.0f, -0.0f, -0.0f},
  };
  for (const auto& c : cases) {
    CAPTURE(c.a, c.b, c.c);
    CHECK(bits(fused_in_double(c.a, c.b, c.c)) == bits(c.is));
    CHECK(bits(fused_multiply_add(c.a, c.b, c.c)) == bits(c.is));
  }
  const float infinity = std::numeric_limits<float>::infinity();
  for (const auto fused : {fused_in_double, fused_multiply_add}) {
    CHECK(fused(3e38f, 2.0f, 0.0f) == infinity);
    CHECK(fused(infinity, -1.0f, 1.0f) == -infinity);
    CHECK(std::isnan(fused(infinity, 1.0f, -infinity)));
    CHECK(std::isnan(fused(0.0f, infinity, 1.0f)));
  }
}

// Numbers of any size, and of sizes that cancel or meet; of 14 bits, whose products often lie in
// the middle of two floats.
TEST_CASE("fused multiply-add: in double it is the other, to the bit") {
  std::mt19937 random(1);
  const auto of_bits = [&](std::uint32_t mask, std::uint32_t set) {
    return std::bit_cast<float>((static_cast<std::uint32_t>(random()) & mask) | set);
  };
  std::size_t wrong = 0;
  for (int i = 0; i < 1000000; ++i) {
    const std::uint32_t mask = i % 3 == 0 ? 0xffffffffu : i % 3 == 1 ? 0x807fffffu : 0x807ffc00u;
    const std::uint32_t set = i % 3 == 0 ? 0u : 0x3f800000u;
    const float a = of_bits(mask, set), b = of_bits(mask, set);
    const float c = std::ldexp(of_bits(mask, set), static_cast<int>(random() % 128) - 112);
    const float one = fused_in_double(a, b, c), other = fused_multiply_add(a, b, c);
    wrong += std::isnan(one) ? !std::isnan(other) : bits(one) != bits(other);
  }
  CHECK(wrong == 0);
}
