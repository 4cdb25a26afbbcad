// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "laws/format_laws.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/row_major.hpp"

using namespace sparsellm;

TEMPLATE_TEST_CASE("formats: keep their laws", "", row_major<float>, row_major<half>,
                   row_major<bfloat16>, panel<float>, panel<half>, panel<bfloat16>,
                   channel_major<float>, channel_major<half>, channel_major<bfloat16>) {
  format_laws<TestType>();
}

TEST_CASE("formats: bytes are what docs/formats.md says") {
  CHECK(row_major<bfloat16>::bytes({3, 5}) == 30);
  CHECK(panel<bfloat16>::bytes({33, 5}) == 64 * 5 * 2);
  CHECK(channel_major<float>::bytes({576, 1536}) == 576 * 1536 * 4);
}

TEST_CASE("formats: where one element of each brick lies") {
  cpu::executor exec(1);
  std::vector<float> w(64 * 3);
  for (std::size_t o = 0; o < 64; ++o)
    for (std::size_t c = 0; c < 3; ++c) w[o * 3 + c] = static_cast<float>(o + 100 * c);
  const matrix_view<const float> view(w.data(), 64, 3);
  auto p = pack<panel<float>>(exec, view);
  const auto* const floats = reinterpret_cast<const float*>(p.storage());
  CHECK(floats[(1 * 3 + 2) * 32 + 5] == 37 + 200);  // strip 1, channel 2, output 5
  auto c = pack<channel_major<float>>(exec, view);
  CHECK(reinterpret_cast<const float*>(c.storage())[2 * 64 + 37] == 37 + 200);
  auto b = pack<channel_major<bfloat16>>(exec, view);
  const auto* const elements = reinterpret_cast<const bfloat16*>(b.storage());
  CHECK(widen(elements[2 * 5]) == 5);       // output 5: low half of word 5
  CHECK(widen(elements[2 * 5 + 1]) == 21);  // output 21: its high half
}

TEST_CASE("pack: refuses zero sizes and weights that are not finite in the storage type") {
  cpu::executor exec(2);
  std::vector<float> w(6, 1.0f);
  const matrix_view<const float> view(w.data(), 2, 3);
  CHECK_SAYS((pack<panel<float>>(exec, matrix_view<const float>(w.data(), 0, 3))), shape_error,
             "at least 1 output and 1 input, got 0x3");
  w[4] = 1e6f;
  CHECK_NOTHROW(pack<panel<bfloat16>>(exec, view));
  CHECK_SAYS((pack<panel<half>>(exec, view)), value_error, "weight [1, 1] is 1e+06");
  w[4] = std::numeric_limits<float>::quiet_NaN();
  CHECK_SAYS((pack<row_major<float>>(exec, view)), value_error, "weight [1, 1] is nan");
  std::vector<float> out(4);
  w[4] = 0;
  CHECK_SAYS(unpack(pack<panel<float>>(exec, view), matrix_view<float>(out.data(), 2, 2)),
             shape_error, "2x3 expected, got 2x2");
}
