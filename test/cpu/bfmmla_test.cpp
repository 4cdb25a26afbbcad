// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What Arm's matrix products of bfloat16 add, in which order and how rounded: in plain C++ on any
// machine, and the same bits from the instruction where the machine has it.
#include <cmath>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cpu/rounded_batch.hpp"
#include "shared_data.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"

using namespace sparsellm;

namespace {

// Toward zero, with an odd last bit where that is not exact; what is subnormal becomes zero.
// `lost` is what x lacks of the exact value, less than half of its last place.
float rounded_to_odd(double x, double lost) {
  if (std::isnan(x)) return std::numeric_limits<float>::quiet_NaN();
  auto bits = __builtin_bit_cast(std::uint64_t, x);
  if (lost != 0) {  // first of all to odd as a double
    if ((lost < 0) != (x < 0)) --bits;
    bits |= 1;
  }
  const double odd = __builtin_bit_cast(double, bits);
  if (std::fabs(odd) < 0x1p-126) return std::copysign(0.0f, static_cast<float>(odd));
  constexpr std::uint64_t below = (std::uint64_t{1} << 29) - 1;  // what a float has no room for
  const double toward_zero = __builtin_bit_cast(double, bits & ~below);
  if (std::fabs(toward_zero) > 0x1.fffffep127)
    return std::copysign(std::numeric_limits<float>::infinity(), static_cast<float>(odd));
  const auto single = __builtin_bit_cast(std::uint32_t, static_cast<float>(toward_zero));
  return __builtin_bit_cast(float, single | ((bits & below) != 0 ? 1u : 0u));
}
float add_to_odd(float a, float b) {
  const double x = a, y = b, sum = x + y;
  if (!std::isfinite(sum)) return static_cast<float>(sum);
  const double of_y = sum - x;
  return rounded_to_odd(sum, (x - (sum - of_y)) + (y - of_y));
}
float product_to_odd(float a, float b) {  // exact in double
  return rounded_to_odd(static_cast<double>(a) * static_cast<double>(b), 0);
}
float flushed(float x) {
  return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x;
}

// One output of one token. Channels past the last of a part are zeros.
float sum_of_pairs(const float* w, const float* x, std::size_t inputs) {
  const detail::summation_parts parts = detail::summation_of(inputs);
  float sum = 0;
  for (std::size_t part = 0; part < parts.count; ++part) {
    float chain = 0;
    for (std::size_t c = parts.begin(part); c < parts.end(part); c += 4)
      for (std::size_t pair = c; pair < c + 4; pair += 2) {
        float product[2] = {0, 0};
        for (std::size_t i = 0; i < 2 && pair + i < parts.end(part); ++i)
          product[i] =
              product_to_odd(flushed(w[pair + i]), flushed(widen(narrow<bfloat16>(x[pair + i]))));
        chain = add_to_odd(chain, add_to_odd(product[0], product[1]));
      }
    sum = part == 0 ? chain : sum + chain;
  }
  return sum;
}

struct problem : rounded_batch {
  using rounded_batch::rounded_batch;
  std::vector<float> expected() const { return sums(&sum_of_pairs); }
};

// Around pairs, fours of channels, 12 tokens, strips of 32 outputs, and parts.
const std::vector<std::pair<extents, std::size_t>> shapes{{{1, 1}, 17},    {{31, 33}, 18},
                                                          {{64, 64}, 24},  {{70, 127}, 25},
                                                          {{33, 289}, 37}, {{40, 1030}, 19}};

}  // namespace

TEST_CASE("bfmmla: rounding to odd, by examples") {
  CHECK(add_to_odd(1.0f, 0x1p-24f) == 1.0f + 0x1p-23f);         // 1 is even
  CHECK(add_to_odd(1.0f, 0x1p-60f) == 1.0f + 0x1p-23f);         // whatever is lost
  CHECK(add_to_odd(1.0f, -0x1p-60f) == 1.0f - 0x1p-24f);        // below 1, and odd
  CHECK(add_to_odd(0x1.000002p0f, 0x1p-60f) == 0x1.000002p0f);  // odd already
  CHECK(add_to_odd(-1.0f, -0x1p-24f) == -1.0f - 0x1p-23f);
  CHECK(add_to_odd(0x1.8p-126f, -0x1p-126f) == 0.0f);  // subnormal
  CHECK(product_to_odd(0x1p-100f, 0x1p-100f) == 0.0f);
  CHECK(std::isinf(product_to_odd(0x1p100f, 0x1p100f)));
  CHECK(std::isnan(add_to_odd(std::numeric_limits<float>::quiet_NaN(), 1.0f)));
}

TEST_CASE("bfmmla: the order that it adds in keeps the bound of docs/numerics.md") {
  for (const auto& [shape, tokens] : shapes) {
    const problem p(shape, tokens, 3);
    const detail::summation_parts parts = detail::summation_of(shape.inputs);
    CHECK(p.outside_bound(p.expected(), static_cast<double>(parts.length + parts.count)) == 0);
  }
}

TEST_CASE("bfmmla: neon_bf16 gives the bits of plain C++ for every layout and number of threads") {
  if (!cpu::supported(cpu::isa::neon_bf16)) SKIP_BY_NAME("this machine has no neon_bf16");
  for (const auto& [shape, tokens] : shapes) {
    const problem p(shape, tokens, 5);
    const std::vector<float> expected = p.expected();
    for (const std::size_t threads : {1, 2, 3, 16}) {
      cpu::executor exec(threads);
      exec.use(cpu::isa::neon_bf16);
      INFO(shape.outputs << "x" << shape.inputs << ", " << tokens << " tokens, " << threads);
      CHECK(different(product<panel<bfloat16>>(exec, p), expected) == 0);
      CHECK(different(product<channel_major<bfloat16>>(exec, p), expected) == 0);
    }
  }
}

TEST_CASE("bfmmla: subnormal numbers, infinity and NaN are the instruction's") {
  if (!cpu::supported(cpu::isa::neon_bf16)) SKIP_BY_NAME("this machine has no neon_bf16");
  cpu::executor exec(2);
  exec.use(cpu::isa::neon_bf16);
  problem p({50, 100}, 40, 7);
  p.make_small();
  CHECK(different(product<panel<bfloat16>>(exec, p), p.expected()) == 0);

  p.x[3 * 100 + 99] = std::numeric_limits<float>::infinity();
  p.x[17 * 100 + 1] = -std::numeric_limits<float>::infinity();
  p.x[39 * 100] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = product<panel<bfloat16>>(exec, p), expected = p.expected();
  CHECK(different(y, expected) == 0);
  // The other token of a pair is not touched.
  for (const std::size_t t : {2, 16, 38}) CHECK(std::isfinite(y[t * 50]));
}

TEST_CASE("bfmmla: N:M weights give the bits of plain C++ with zeros") {
  if (!cpu::supported(cpu::isa::neon_bf16)) SKIP_BY_NAME("this machine has no neon_bf16");
  const problem p({50, 130}, 30, 11);
  cpu::executor exec(3);
  exec.use(cpu::isa::neon_bf16);
  const auto w = pack<n_of_m<bfloat16, 2, 4>>(exec, p.weights());
  problem zeros = p;
  unpack(w, matrix_view<float>(zeros.w.data(), 50, 130));
  std::vector<float> y(30 * 50, -1.0f);
  multiply(exec, w, p.inputs(), matrix_view<float>(y.data(), 30, 50));
  CHECK(different(y, zeros.expected()) == 0);
}
