// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/pack/n_of_m.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/pack_masked.hpp"

using namespace sparsellm;

namespace {

// Random weights with what is easily lost: negative zero, denormals, exact zeros.
std::vector<float> awkward(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> kind(0, 7);
  std::vector<float> w(n);
  for (float& v : w) {
    const int k = kind(random);
    v = k == 0   ? -0.0f
        : k == 1 ? 0.0f
        : k == 2 ? std::numeric_limits<float>::denorm_min() * static_cast<float>(seed)
                 : normal(random);
  }
  return w;
}

template <class F>
void round_trips() {
  using T = typename F::element;
  cpu::executor one(1), three(3);
  std::mt19937 random(5);
  std::uniform_real_distribution<float> score(0, 1);
  for (const extents e : {extents{1, 1}, {1, 5}, {7, 63}, {8, 64}, {9, 65}, {17, 130}, {3, 200}}) {
    INFO(e.outputs << "x" << e.inputs);
    const std::vector<float> w = awkward(e.outputs * e.inputs, 3);
    std::vector<float> scores(w.size());
    for (float& s : scores) s = score(random);
    const weight_mask mask = best_of_groups(
        one, F::pattern, matrix_view<const float>(scores.data(), e.outputs, e.inputs));
    const auto fill = [&](std::size_t r, vector_view<float> out) {
      for (std::size_t c = 0; c < e.inputs; ++c) out[c] = w[r * e.inputs + c];
    };
    auto packed = pack_masked<F>(one, e, fill, mask);
    auto other = pack_masked<F>(three, e, fill, mask);
    CHECK(std::memcmp(packed.storage(), other.storage(), packed.bytes()) == 0);
    std::vector<float> back(w.size());
    unpack(packed, matrix_view<float>(back.data(), e.outputs, e.inputs));
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < e.outputs; ++r)
      for (std::size_t c = 0; c < e.inputs; ++c) {
        const std::size_t i = r * e.inputs + c;
        if constexpr (F::has_scales) {
          wrong += std::fabs(back[i] - (mask.keeps(r, c) ? w[i] : 0.0f)) >
                   packed.view().scales[r] * 0.5001f;
        } else {
          const float expected = mask.keeps(r, c) ? widen(narrow<T>(w[i])) : 0.0f;
          wrong += std::memcmp(&expected, &back[i], sizeof expected) != 0;
        }
      }
    CHECK(wrong == 0);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("n_of_m: gives back what the mask keeps, to the bit, for every remainder", "",
                   (n_of_m<float, 2, 4>), (n_of_m<half, 4, 8>), (n_of_m<bfloat16, 2, 4>),
                   (n_of_m<bfloat16, 1, 4>), (n_of_m<float, 6, 8>), (n_of_m<half, 2, 3>),
                   (n_of_m<bfloat16, 5, 7>), (n_of_m<float, 17, 32>), (n_of_m<bfloat16, 1, 31>),
                   (n_of_m<std::int8_t, 2, 4>), (n_of_m<std::int8_t, 3, 5>)) {
  round_trips<TestType>();
}

TEMPLATE_TEST_CASE("channel_bitmap: gives back what the mask keeps, to the bit", "",
                   (channel_bitmap<float, 2, 4>), (channel_bitmap<half, 4, 8>),
                   (channel_bitmap<bfloat16, 2, 4>), (channel_bitmap<bfloat16, 2, 3>),
                   (channel_bitmap<float, 17, 32>), (channel_bitmap<std::int8_t, 2, 4>)) {
  round_trips<TestType>();
}

TEST_CASE("channel_bitmap: counts the values before every 256 outputs, and all") {
  cpu::executor exec(1);
  const extents e{700, 36};
  std::mt19937 random(31);
  std::normal_distribution<float> normal;
  std::vector<float> w(e.outputs * e.inputs);
  for (float& x : w) x = normal(random);
  const auto packed = pack<channel_bitmap<half, 2, 4>>(
      exec, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto v = packed.view();
  for (std::size_t c = 0; c < e.inputs; ++c) {
    std::size_t before = 0;
    for (std::size_t word = 0; word < v.words(); ++word) {
      CHECK(v.values_before(c, word) == before);
      before += static_cast<std::size_t>(std::popcount(v.mask(c)[word]));
      if (word % 4 == 3 || word + 1 == v.words()) CHECK(v.ends[word / 4 * e.inputs + c] == before);
    }
  }
}

TEST_CASE("n_of_m: 2:4 and 4:8 take 0.5625 of dense 16-bit weights and 0.625 of 8-bit ones") {
  const extents e{4096, 11008};
  const std::size_t weights = e.outputs * e.inputs;
  CHECK(n_of_m<bfloat16, 2, 4>::bytes(e) * 16 == weights * 2 * 9);
  CHECK(n_of_m<half, 4, 8>::bytes(e) * 16 == weights * 2 * 9);
  CHECK((n_of_m<std::int8_t, 2, 4>::bytes(e) - e.outputs * sizeof(float)) * 8 == weights * 5);
}

TEST_CASE("n_of_m: without a mask the largest magnitudes stay") {
  cpu::executor exec(1);
  const std::vector<float> w{1, -4, 3, -2, 5, 5, 5, 5};
  std::vector<float> back(8);
  const auto packed = pack<n_of_m<float, 2, 4>>(exec, matrix_view<const float>(w.data(), 1, 8));
  unpack(packed, matrix_view<float>(back.data(), 1, 8));
  CHECK(back == std::vector<float>{0, -4, 3, 0, 5, 5, 0, 0});
}

TEST_CASE("n_of_m: says what is wrong, and what is pruned may be anything") {
  cpu::executor exec(1);
  using F = n_of_m<half, 2, 4>;
  std::vector<float> w{1, 2, 3, std::numeric_limits<float>::infinity()};
  const auto fill = [&](std::size_t, vector_view<float> out) {
    for (std::size_t c = 0; c < 4; ++c) out[c] = w[c];
  };
  weight_mask mask({1, 4});
  mask.keep(0, 0);
  CHECK_SAYS(pack_masked<F>(exec, {1, 4}, fill, mask), value_error, "does not keep 2 of every 4");
  mask.keep(0, 1);
  CHECK(pack_masked<F>(exec, {1, 4}, fill, mask).bytes() == F::bytes({1, 4}));
  w[1] = 1e6f;
  CHECK_SAYS(pack_masked<F>(exec, {1, 4}, fill, mask), value_error, "weight [0, 1]");
  w[1] = std::nanf("");
  CHECK_SAYS(pack_masked<F>(exec, {1, 4}, fill, mask), value_error, "weight [0, 1]");
  CHECK_SAYS(pack_masked<F>(exec, {1, 5}, fill, mask), shape_error, "a mask of 1x5 expected");
}
