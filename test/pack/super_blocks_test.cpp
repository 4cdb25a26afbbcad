// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/pack/super_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/pack_levels.hpp"

using namespace sparsellm;

namespace {

constexpr extents shapes[] = {{1, 1},    {1, 33},    {127, 255}, {128, 256},
                              {129, 47}, {300, 600}, {2048, 64}, {64, 512}};

template <class F>
std::vector<super_block_row> random_rows(extents e) {
  std::mt19937 random(5);
  const int least = F::affine ? 0 : -128, most = F::affine ? 63 : 127;
  std::uniform_int_distribution<int> level(0, F::top_level), scale(least, most);
  std::normal_distribution<float> normal;
  std::vector<super_block_row> rows(e.outputs, F::blank_row(e));
  for (super_block_row& r : rows) {
    for (std::uint8_t& l : r.level) l = static_cast<std::uint8_t>(level(random));
    for (std::int8_t& s : r.scale) s = static_cast<std::int8_t>(scale(random));
    for (std::int8_t& m : r.minimum) m = static_cast<std::int8_t>(scale(random));
    for (half& s : r.scale_step) s = narrow<half>(normal(random));
    for (half& m : r.minimum_step) m = narrow<half>(normal(random));
  }
  return rows;
}

}  // namespace

TEMPLATE_TEST_CASE("super-blocks: levels and scales come back as they were, in every shape", "",
                   panel<q4_k>, channel_major<q4_k>, panel<q5_k>, channel_major<q5_k>, panel<q6_k>,
                   channel_major<q6_k>) {
  for (const extents e : shapes) {
    const auto rows = random_rows<TestType>(e);
    const auto fill = [&](std::size_t r, super_block_row& out) { out = rows[r]; };
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
        const std::size_t b = c / TestType::block_channels, s = c / 256;
        float w = widen(rows[r].scale_step[s]) * static_cast<float>(rows[r].scale[b]) *
                  static_cast<float>(rows[r].level[c] - TestType::zero);
        if (TestType::affine)
          w += widen(rows[r].minimum_step[s]) * static_cast<float>(rows[r].minimum[b]);
        wrong += w != out[c] ? 1 : 0;
      }
    }
    CHECK(wrong == 0);
  }
}

TEMPLATE_TEST_CASE("super-blocks: floats are rounded with about the error that levels must leave",
                   "", channel_major<q4_k>, panel<q5_k>, channel_major<q6_k>) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  cpu::executor exec(2);
  for (const extents e : shapes) {
    std::vector<float> w(e.outputs * e.inputs), back(w.size());
    for (float& v : w) v = normal(random);
    unpack(pack<TestType>(exec, matrix_view<const float>(w.data(), e.outputs, e.inputs)),
           matrix_view<float>(back.data(), e.outputs, e.inputs));
    double squared = 0, error = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      squared += static_cast<double>(w[i]) * static_cast<double>(w[i]);
      const double d = static_cast<double>(w[i]) - static_cast<double>(back[i]);
      error += d * d;
    }
    INFO(e.outputs << "x" << e.inputs);
    // 32 normal weights span 4.1 standard deviations: a step of 4.1 / 15 leaves 4.1 / 15 / √12 = 8
    // % where all levels are as likely, half of that with five bits, and 16 weights of six bits 2
    // %; 33 weights may be less lucky.
    CHECK(std::sqrt(error / squared) < (TestType::bits == 4   ? 0.085
                                        : TestType::bits == 5 ? 0.045
                                                              : 0.022) *
                                           (w.size() < 100 ? 1.2 : 1.0));
  }
}

TEST_CASE("super-blocks: floats that levels can be are kept") {
  cpu::executor exec(1);
  std::vector<float> w(512, 0.0f), back(512);
  for (std::size_t c = 256; c < 512; ++c) w[c] = 0.25f * static_cast<float>(c % 16) - 1.0f;
  const matrix_view<const float> view(w.data(), 1, 512);
  unpack(pack<panel<q4_k>>(exec, view), matrix_view<float>(back.data(), 1, 512));
  for (std::size_t c = 0; c < 512; ++c) CHECK(std::fabs(back[c] - w[c]) <= 4.0f * 0x1p-10f);
}

TEST_CASE("super-blocks: bytes are what docs/formats.md says") {
  // 4.625, 5.625 and 6.5625 bits a weight.
  CHECK(panel<q4_k>::bytes({128, 256}) == 128 * 256 * 37 / 64);
  CHECK(panel<q5_k>::bytes({4096, 4096}) == 4096 * 4096 / 64 * 45);
  CHECK(panel<q6_k>::bytes({4096, 4096}) == 4096 * 4096 / 128 * 105);
  // A channel is whole lines, and one more where it is a multiple of 1 KiB.
  CHECK(channel_major<q4_k>::bytes({4096, 256}) == 4096 * 256 / 64 * 37 + 256 * 64);
  CHECK(channel_major<q5_k>::bytes({4096, 256}) == 4096 * 256 / 64 * 45);
}

TEST_CASE("super-blocks: refuses what is not finite or does not fit") {
  cpu::executor exec(2);
  CHECK_SAYS(pack_levels<panel<q5_k>>(exec, {1, 32},
                                      [](std::size_t, super_block_row& r) { r.level[5] = 32; }),
             value_error, "row 0 has the level 32, expected at most 31");
  CHECK_SAYS(
      pack_levels<channel_major<q6_k>>(
          exec, {1, 300}, [](std::size_t, super_block_row& r) { r.scale_step[1].bits = 0x7c00; }),
      value_error, "row 0, super-block 1: scale step inf");
  const std::vector<std::byte> blocks(144);
  CHECK_SAYS(pack<panel<q4_k>>(exec, vector_view<const std::byte>(blocks), {1, 128}), shape_error,
             "GGUF blocks hold 256 channels, 128 are no whole blocks");
  std::vector<float> w(32, 7e4f);
  CHECK_SAYS(pack<panel<q4_k>>(exec, matrix_view<const float>(w.data(), 1, 32)), value_error,
             "fits integer levels");
}
