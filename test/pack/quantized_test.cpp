// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/pack_levels.hpp"
#include "sparsellm/pack/quantized.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

using namespace sparsellm;

namespace {

constexpr extents shapes[] = {{1, 1},   {1, 33},    {63, 31},   {64, 32},
                              {65, 64}, {129, 300}, {300, 129}, {1024, 64}};

std::vector<quantized_row> random_rows(extents e, std::size_t blocks, int top) {
  std::mt19937 random(5);
  std::vector<quantized_row> rows(e.outputs);
  for (quantized_row& r : rows) {
    for (std::size_t c = 0; c < e.inputs; ++c)
      r.level.push_back(static_cast<std::uint8_t>(random() % static_cast<unsigned>(top + 1)));
    for (std::size_t b = 0; b < blocks; ++b) {
      r.scale.push_back(narrow<half>(static_cast<float>(random() % 1000) / 512 - 1));
      r.minimum.push_back(narrow<half>(static_cast<float>(random() % 1000) / 512 - 1));
    }
  }
  return rows;
}

// What ggml's levels of IQ4_NL stand for.
constexpr int iq4_nl_numbers[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

}  // namespace

TEMPLATE_TEST_CASE("quantized: levels and scales come back as they were, in every shape", "",
                   panel<q8_0>, channel_major<q8_0>, panel<q4_0>, channel_major<q4_0>, panel<q4_1>,
                   channel_major<q4_1>, panel<q5_0>, channel_major<q5_0>, panel<q5_1>,
                   channel_major<q5_1>, panel<iq4_nl>, channel_major<iq4_nl>,
                   (channel_major<quantized<5, 96>>),
                   (channel_major<quantized<8, 128, quantization::affine>>)) {
  for (const extents e : shapes) {
    const auto rows = random_rows(e, TestType::blocks(e), TestType::top_level);
    const auto fill = [&](std::size_t r, quantized_row& out) { out = rows[r]; };
    cpu::executor one(1), three(3);
    auto packed = pack_levels<TestType>(one, e, fill);
    auto other = pack_levels<TestType>(three, e, fill);
    INFO(e.outputs << "x" << e.inputs);
    CHECK(std::memcmp(packed.storage(), other.storage(), packed.bytes()) == 0);
    std::size_t wrong = 0;
    std::vector<float> out(e.inputs);
    for (std::size_t r = 0; r < e.outputs; ++r) {
      TestType::unpack_row(packed.view(), r, out);
      for (std::size_t c = 0; c < e.inputs; ++c) {
        const std::size_t b = c / TestType::block_channels;
        const int level = rows[r].level[c];
        float w = widen(rows[r].scale[b]) * static_cast<float>(TestType::non_linear
                                                                   ? iq4_nl_numbers[level]
                                                                   : level - TestType::zero);
        if (TestType::affine) w += widen(rows[r].minimum[b]);
        wrong += w != out[c] ? 1 : 0;
      }
    }
    CHECK(wrong == 0);
  }
}

TEMPLATE_TEST_CASE("quantized: floats become the nearest level, within half a step", "",
                   channel_major<q8_0>, panel<q4_0>, channel_major<q4_1>, panel<q5_0>,
                   channel_major<q5_1>, (channel_major<quantized<8, 128, quantization::affine>>)) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  cpu::executor exec(2);
  for (const extents e : shapes) {
    std::vector<float> w(e.outputs * e.inputs), back(w.size());
    for (float& v : w) v = normal(random);
    const auto packed =
        pack<TestType>(exec, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    unpack(packed, matrix_view<float>(back.data(), e.outputs, e.inputs));
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < e.outputs; ++r)
      for (std::size_t c0 = 0; c0 < e.inputs; c0 += TestType::block_channels) {
        const std::size_t n = std::min(TestType::block_channels, e.inputs - c0);
        const float* const row = w.data() + r * e.inputs + c0;
        const auto [low, high] = std::minmax_element(row, row + n);
        const float most = std::max(std::fabs(*low), std::fabs(*high));
        const float range = TestType::affine ? *high - *low : 2 * most;
        // Half a step; the scale and the minimum are rounded to halfs, which moves the ends.
        const float bound = range / static_cast<float>(TestType::top_level - 1) * 0.5f +
                            2 * most * 0x1p-11f + range * 0x1p-10f;
        for (std::size_t c = 0; c < n; ++c)
          wrong += !(std::fabs(back[r * e.inputs + c0 + c] - row[c]) <= bound);
      }
    INFO(e.outputs << "x" << e.inputs);
    CHECK(wrong == 0);
  }
}

TEST_CASE("quantized: bytes are what docs/formats.md says") {
  // 4.5 bits a weight for Q4_0 and IQ4_NL, 5 for Q4_1, 5.5 for Q5_0, 6 for Q5_1, 8.5 for Q8_0; rows
  // of channel_major that are a multiple of 1 KiB are a line apart.
  CHECK(panel<q4_0>::bytes({128, 32}) == 128 * 32 * 9 / 16);
  CHECK(panel<q4_1>::bytes({4096, 4096}) == 4096 * 4096 * 5 / 8);
  CHECK(panel<q8_0>::bytes({4096, 4096}) == 4096 * 4096 * 17 / 16);
  CHECK(channel_major<q8_0>::bytes({4096, 4096}) == 4096 * 4096 * 17 / 16 + 4096 * 64);
  CHECK(channel_major<q4_1>::bytes({576, 64}) == 640 * 64 * 5 / 8);
  CHECK(panel<q5_0>::bytes({4096, 4096}) == 4096 * 4096 / 16 * 11);
  CHECK(channel_major<q5_1>::bytes({4096, 4096}) == 4096 * 4096 / 4 * 3);
  CHECK(panel<iq4_nl>::bytes({128, 32}) == panel<q4_0>::bytes({128, 32}));
}

TEST_CASE("quantized: where a level lies") {
  cpu::executor exec(1);
  const auto fill = [](std::size_t r, quantized_row& row) {
    for (std::size_t c = 0; c < 32; ++c) row.level[c] = static_cast<std::uint8_t>((r + c) % 16);
    row.scale[0] = narrow<half>(1.0f);
  };
  const auto w = pack_levels<panel<q4_0>>(exec, {128, 32}, fill);
  // Channel 3, outputs 21 (low nibble) and 85 (high): vector 1, lane 1, element 1.
  const std::uint8_t byte = w.view().levels(0, 0)[3 * 64 + 1 * 16 + 1 * 4 + 1];
  CHECK((byte & 15) == (21 + 3) % 16);
  CHECK(byte >> 4 == (85 + 3) % 16);
}

TEST_CASE("quantized: where a fifth bit lies") {
  cpu::executor exec(1);
  const auto fill = [](std::size_t r, quantized_row& row) {
    for (std::size_t c = 0; c < 32; ++c) row.level[c] = static_cast<std::uint8_t>((r + c) % 32);
    row.scale[0] = narrow<half>(1.0f);
  };
  const auto w = pack_levels<panel<q5_0>>(exec, {128, 32}, fill);
  // Channel 3: bit k of byte 5 is that of output 16 k + 5, whose level is 16 k + 8 mod 32.
  CHECK(w.view().high_levels(0, 0)[3 * 16 + 5] == 0xaa);
}

TEST_CASE("quantized: floats become the table's nearest number, whichever sign the largest has") {
  cpu::executor exec(1);
  std::vector<float> w(96, 0.0f), back(96);
  for (std::size_t c = 0; c < 32; ++c) {  // the table, times steps of either sign
    const auto number = static_cast<float>(iq4_nl_numbers[c % 16]);
    w[c] = 0.25f * number;
    w[32 + c] = -0.5f * number;
  }
  const matrix_view<const float> view(w.data(), 1, 96);
  unpack(pack<panel<iq4_nl>>(exec, view), matrix_view<float>(back.data(), 1, 96));
  CHECK(back == w);

  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  std::vector<float> many(64 * 640), rounded(many.size());
  for (float& v : many) v = normal(random);
  unpack(pack<channel_major<iq4_nl>>(exec, matrix_view<const float>(many.data(), 64, 640)),
         matrix_view<float>(rounded.data(), 64, 640));
  double squared = 0, error = 0;
  for (std::size_t i = 0; i < many.size(); ++i) {
    const double d = static_cast<double>(rounded[i]) - static_cast<double>(many[i]);
    squared += static_cast<double>(many[i]) * static_cast<double>(many[i]);
    error += d * d;
  }
  // Numbers a tenth of the largest apart near zero, where most weights are: a step of 12 / 127 of
  // 2.1 deviations leaves 2.1 · 12 / 127 / √12 = 6 %, and the wider ones further out more.
  CHECK(std::sqrt(error / squared) < 0.09);
  CHECK(std::sqrt(error / squared) > 0.04);
}

TEST_CASE("quantized: refuses what is not finite or does not fit") {
  cpu::executor exec(2);
  std::vector<float> w(64, 1.0f);
  const matrix_view<const float> view(w.data(), 2, 32);
  w[33] = std::numeric_limits<float>::infinity();
  CHECK_SAYS(pack<panel<q8_0>>(exec, view), value_error, "weight [1, 1] is inf");
  w[33] = 7e4f;
  CHECK_SAYS(pack<channel_major<q4_0>>(exec, view), value_error, "fits integer levels");
  CHECK_SAYS(pack_levels<channel_major<q4_0>>(
                 exec, {1, 32}, [](std::size_t, quantized_row& r) { r.level[5] = 16; }),
             value_error, "row 0 has the level 16, expected at most 15");
  CHECK_SAYS(pack_levels<panel<q5_1>>(exec, {1, 32},
                                      [](std::size_t, quantized_row& r) { r.level[5] = 32; }),
             value_error, "row 0 has the level 32, expected at most 31");
  CHECK_SAYS(pack_levels<channel_major<q8_0>>(
                 exec, {1, 32}, [](std::size_t, quantized_row& r) { r.scale[0].bits = 0x7c00; }),
             value_error, "row 0, block 0: scale inf");
}

TEST_CASE("quantized: a block of zeros, and of one value, is exact") {
  cpu::executor exec(1);
  std::vector<float> w(64, 0.0f), back(64);
  for (std::size_t c = 32; c < 64; ++c) w[c] = 0.25f;
  const matrix_view<const float> view(w.data(), 1, 64);
  unpack(pack<panel<q4_1>>(exec, view), matrix_view<float>(back.data(), 1, 64));
  CHECK(back == w);
  unpack(pack<panel<q8_0>>(exec, view), matrix_view<float>(back.data(), 1, 64));
  for (std::size_t c = 0; c < 64; ++c) CHECK(std::fabs(back[c] - w[c]) <= w[c] * 0x1p-11f);
}
