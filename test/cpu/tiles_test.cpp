// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What AMX's tiles of bfloat16 add, in which order: in plain C++ on any machine, and the same bits
// from the instruction where the machine has it.
#include <cmath>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cpu/rounded_batch.hpp"
#include "shared_data.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/isa/fused_multiply_add.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/sparsify/stacked.hpp"

using namespace sparsellm;

namespace {

// tdpbf16ps takes subnormal numbers for zero and makes none.
float flushed(float x) {
  return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x;
}

// One output of one token: tiles of 32 channels, in each the even and the odd ones as two chains.
float sum_of_tiles(const float* w, const float* x, std::size_t inputs) {
  float sum = 0;
  for (std::size_t first = 0; first < inputs; first += 32) {
    float chain[2] = {0, 0};
    for (std::size_t c = first; c < first + 32 && c < inputs; ++c) {
      float& to = chain[c % 2];
      to = flushed(detail::fused_multiply_add(flushed(widen(narrow<bfloat16>(flushed(x[c])))),
                                              flushed(w[c]), to));
    }
    sum = flushed(sum + flushed(chain[0] + chain[1]));
  }
  return sum;
}

struct problem : rounded_batch {
  using rounded_batch::rounded_batch;
  std::vector<float> expected() const { return sums(&sum_of_tiles); }
};

// Around tiles, strips of 32 outputs, and the blocks that caches hold.
const std::vector<std::pair<extents, std::size_t>> shapes{
    {{1, 1}, 17},     {{31, 33}, 18},   {{64, 64}, 32},   {{70, 127}, 33},
    {{300, 289}, 47}, {{33, 1100}, 64}, {{40, 530}, 530}, {{290, 600}, 20}};

}  // namespace

TEST_CASE("tiles: the order that they add in keeps the bound of docs/numerics.md") {
  for (const auto& [shape, tokens] : shapes) {
    const problem p(shape, tokens, 3);
    CHECK(p.outside_bound(p.expected(), static_cast<double>((shape.inputs + 31) / 32 + 17)) == 0);
  }
}

TEST_CASE("tiles: amx_bf16 gives the bits of plain C++ for every layout and number of threads") {
  if (!cpu::supported(cpu::isa::amx_bf16)) SKIP_BY_NAME("this machine has no amx_bf16");
  for (const auto& [shape, tokens] : shapes) {
    const problem p(shape, tokens, 5);
    const std::vector<float> expected = p.expected();
    for (const std::size_t threads : {1, 2, 3, 16}) {
      cpu::executor exec(threads);
      exec.use(cpu::isa::amx_bf16);
      INFO(shape.outputs << "x" << shape.inputs << ", " << tokens << " tokens, " << threads);
      CHECK(different(product<panel<bfloat16>>(exec, p), expected) == 0);
      CHECK(different(product<channel_major<bfloat16>>(exec, p), expected) == 0);
    }
  }
}

TEST_CASE("tiles: subnormal numbers, infinity and NaN are the instruction's") {
  if (!cpu::supported(cpu::isa::amx_bf16)) SKIP_BY_NAME("this machine has no amx_bf16");
  cpu::executor exec(2);
  exec.use(cpu::isa::amx_bf16);
  problem p({50, 100}, 40, 7);
  p.make_small();
  CHECK(different(product<panel<bfloat16>>(exec, p), p.expected()) == 0);

  p.x[3 * 100 + 99] = std::numeric_limits<float>::infinity();
  p.x[17 * 100 + 1] = -std::numeric_limits<float>::infinity();
  p.x[39 * 100] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = product<panel<bfloat16>>(exec, p), expected = p.expected();
  CHECK(different(y, expected) == 0);
  for (const std::size_t t : {3, 17, 39}) CHECK(!std::isfinite(y[t * 50]));
  // Other tokens of the same tiles are not touched.
  for (const std::size_t t : {2, 4, 16, 18, 38}) CHECK(std::isfinite(y[t * 50]));
}

TEST_CASE("tiles: sections, masks and N:M weights give the bits of plain C++") {
  if (!cpu::supported(cpu::isa::amx_bf16)) SKIP_BY_NAME("this machine has no amx_bf16");
  const problem p({150, 330}, 50, 11);
  for (const std::size_t threads : {1, 3}) {
    cpu::executor exec(threads);
    exec.use(cpu::isa::amx_bf16);
    const section<teal> sections[] = {{0, 70, {magnitude{}, above{0.3f}}},
                                      {70, 150, {magnitude{}, above{0.9f}}}};
    std::vector<float> y(50 * 150, -1.0f), expected(50 * 150);
    multiply(exec, pack<channel_major<bfloat16>>(exec, p.weights()), stacked<teal>{sections, 2},
             p.inputs(), matrix_view<float>(y.data(), 50, 150));
    for (const section<teal>& s : sections) {
      problem masked = p;
      for (float& v : masked.x)
        if (!s.keep.keeps(v, 0)) v = 0;
      const std::vector<float> all = masked.expected();
      for (std::size_t t = 0; t < 50; ++t)
        for (std::size_t o = s.first; o < s.last; ++o) expected[t * 150 + o] = all[t * 150 + o];
    }
    CHECK(different(y, expected) == 0);

    const auto pruned = [&]<class F>(const F&) {
      const auto w = pack<F>(exec, p.weights());
      problem zeros = p;
      unpack(w, matrix_view<float>(zeros.w.data(), 150, 330));
      multiply(exec, w, p.inputs(), matrix_view<float>(y.data(), 50, 150));
      CHECK(different(y, zeros.expected()) == 0);
    };
    pruned(n_of_m<bfloat16, 2, 4>{});
    pruned(n_of_m<bfloat16, 3, 7>{});
    pruned(n_of_m<bfloat16, 1, 8>{});
    pruned(channel_bitmap<bfloat16, 2, 4>{});
  }
}

TEMPLATE_TEST_CASE("tiles: amx_int8 gives quantised weights the bits of VNNI", "", panel<q8_0>,
                   channel_major<q8_0>, channel_major<q4_0>, panel<q4_1>, (panel<quantized<4, 64>>),
                   (channel_major<quantized<4, 96>>),
                   (panel<quantized<8, 128, quantization::affine>>), panel<q5_0>,
                   channel_major<q5_1>, panel<iq4_nl>, panel<q4_k>, channel_major<q5_k>,
                   panel<q6_k>, channel_major<q6_k>) {
  if (!cpu::supported(cpu::isa::amx_int8)) SKIP_BY_NAME("this machine has no amx_int8");
  for (const auto& [shape, tokens] : shapes) {
    problem p(shape, tokens, 13);
    // Channels that no token has, a token of zeros, and infinity in one block of another.
    for (std::size_t i = 0; i < p.x.size(); ++i)
      if (i % shape.inputs % 7 == 3 || i / shape.inputs == 1) p.x[i] = 0;
    p.x[2 * shape.inputs] = std::numeric_limits<float>::infinity();
    std::vector<float> expected;
    for (const std::size_t threads : {1, 3}) {
      cpu::executor exec(threads);
      if (expected.empty()) {
        exec.use(cpu::isa::avx512_vnni);
        expected = product<TestType>(exec, p);
      }
      exec.use(cpu::isa::amx_int8);
      INFO(shape.outputs << "x" << shape.inputs << ", " << tokens << " tokens, " << threads);
      CHECK(different(product<TestType>(exec, p), expected) == 0);
    }
  }
}
