// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What other programs keep N:M weights as, there and back to the bit.
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/pack/kept_values.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/pack_masked.hpp"
#include "sparsellm/pack/semi_structured.hpp"

using namespace sparsellm;

namespace {

template <class F>
packed_matrix<F> random_weight(extents e, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  cpu::executor exec(1);
  std::vector<float> w(e.outputs * e.inputs), scores(w.size());
  for (float& v : w) v = random() % 5 == 0 ? -0.0f : normal(random);
  for (float& s : scores) s = static_cast<float>(random() % 100);
  const weight_mask mask = best_of_groups(
      exec, F::pattern, matrix_view<const float>(scores.data(), e.outputs, e.inputs));
  return pack_masked<F>(
      exec, e,
      [&](std::size_t r, vector_view<float> out) {
        for (std::size_t c = 0; c < e.inputs; ++c) out[c] = w[r * e.inputs + c];
      },
      mask);
}

template <class F>
void same(packed_matrix<F>& a, packed_matrix<F>& b) {
  CHECK(a.bytes() == b.bytes());
  CHECK(std::memcmp(a.storage(), b.storage(), a.bytes()) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("exchange: kept values and their mask, there and back", "",
                   (n_of_m<bfloat16, 2, 4>), (n_of_m<float, 4, 8>), (n_of_m<half, 2, 3>),
                   (n_of_m<std::int8_t, 2, 4>), (n_of_m<float, 1, 32>)) {
  for (const extents e : {extents{1, 1}, {9, 66}, {32, 128}, {17, 131}}) {
    auto packed = random_weight<TestType>(e, 3);
    auto kept = kept_of(packed);
    kept.mask = from_bitmask(e, to_bitmask(kept.mask));
    auto back = pack_kept<TestType>(kept);
    same(packed, back);
  }
}

TEMPLATE_TEST_CASE("exchange: CUTLASS's and PyTorch's 2:4, there and back", "", half, bfloat16,
                   std::int8_t) {
  for (const extents e : {extents{32, 128}, {96, 320}}) {
    if (e.inputs % (8 * semi_structured<TestType>::groups) != 0) continue;
    auto packed = random_weight<n_of_m<TestType, 2, 4>>(e, 5);
    const auto s = to_semi_structured(packed);
    CHECK(s.values.size() == e.outputs * e.inputs / 2);
    auto back = from_semi_structured(s);
    same(packed, back);
  }
}

TEST_CASE("exchange: metadata stands where CUTLASS's reorder_meta() puts it") {
  // Its published order, as (row, column) of the elements in memory.
  using at = std::pair<std::size_t, std::size_t>;
  const std::vector<at> words16{{0, 0},  {8, 0},  {0, 1},  {8, 1}, {16, 0},
                                {24, 0}, {16, 1}, {24, 1}, {1, 0}};
  for (std::size_t i = 0; i < words16.size(); ++i)
    CHECK(semi_structured<half>::place(words16[i].first, words16[i].second, 64) == i);
  const std::vector<at> words32{{0, 0}, {8, 0}, {0, 1}, {8, 1}, {1, 0}};
  for (std::size_t i = 0; i < words32.size(); ++i)
    CHECK(semi_structured<std::int8_t>::place(words32[i].first, words32[i].second, 64) == i);
}

TEST_CASE("exchange: indices are the two kept channels, the lower in the low bits") {
  cpu::executor exec(1);
  // Groups keep 01, 02, 12, 03, 13, 23 of each four, then 01 again.
  const unsigned pairs[] = {0b0011, 0b0101, 0b0110, 0b1001, 0b1010, 0b1100};
  std::vector<float> w(32 * 32, 0.0f);
  for (std::size_t g = 0; g < 8; ++g)
    for (std::size_t i = 0; i < 4; ++i)
      w[g * 4 + i] = ((pairs[g < 6 ? g : 0] >> i) & 1u) != 0 ? 1.0f : 0.0f;
  const auto packed = pack<n_of_m<half, 2, 4>>(exec, matrix_view<const float>(w.data(), 32, 32));
  const auto s = to_semi_structured(packed);
  CHECK(s.metadata[semi_structured<half>::place(0, 0, 32)] == 0xc984);  // 0100 1000 1001 1100
  CHECK(s.metadata[semi_structured<half>::place(0, 1, 32)] == 0x44ed);  // 1101 1110 0100 0100
}

TEST_CASE("exchange: says what is wrong") {
  auto packed = random_weight<n_of_m<half, 2, 4>>({32, 64}, 7);
  CHECK_SAYS(to_semi_structured(random_weight<n_of_m<half, 2, 4>>({16, 64}, 7)), shape_error,
             "outputs in 32s and inputs in 32s expected, got 16x64");
  auto s = to_semi_structured(packed);
  s.metadata[0] = 0;
  CHECK_SAYS(from_semi_structured(s), value_error, "indices 0 and 0");
  s.metadata.pop_back();
  CHECK_SAYS(from_semi_structured(s), shape_error, "metadata elements expected");
  auto kept = kept_of(packed);
  kept.values.pop_back();
  CHECK_SAYS((pack_kept<n_of_m<half, 2, 4>>(kept)), shape_error, "1024 values expected, got 1023");
  kept.values.push_back(half{0x7e00});
  CHECK_SAYS((pack_kept<n_of_m<half, 2, 4>>(kept)), value_error, "value 1023 is nan");
  kept.mask.keep(0, 0);
  kept.mask.keep(0, 1);
  kept.mask.keep(0, 2);
  CHECK_SAYS((pack_kept<n_of_m<half, 2, 4>>(kept)), value_error, "2 of every 4");
  CHECK_SAYS(from_bitmask({1, 9}, std::vector<std::uint8_t>{1}), shape_error, "2 bytes expected");
  CHECK_SAYS(from_bitmask({1, 9}, std::vector<std::uint8_t>{1, 2}), value_error, "bit 9 of 9");
}
