// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Stacked projections, inputs that are normalised on the way, the gated pass and rows by demand all
// give the bits of the plain products they stand for.
#include <cstring>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply_gated.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/cpu/multiply_rows.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/sparsify/normalised.hpp"

using namespace sparsellm;

namespace {

std::vector<float> normal_vector(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(n);
  for (float& x : v) x = normal(random);
  return v;
}

template <class F>
packed_matrix<F> pack_rows(cpu::executor& exec, const std::vector<float>& w, std::size_t inputs,
                           std::size_t first, std::size_t last) {
  return pack<F>(exec, matrix_view<const float>(w.data() + first * inputs, last - first, inputs));
}

}  // namespace

TEMPLATE_TEST_CASE("sections: one pass is each projection's own product, wherever they border", "",
                   panel<float>, panel<bfloat16>, channel_major<float>, channel_major<bfloat16>,
                   panel<q8_0>, channel_major<q8_0>, panel<q4_1>, channel_major<q4_1>, panel<q5_0>,
                   channel_major<q5_1>, channel_major<iq4_nl>, panel<q4_k>, channel_major<q5_k>,
                   panel<q6_k>, channel_major<q6_k>) {
  constexpr std::size_t inputs = 530;
  const std::vector<float> x = normal_vector(20 * inputs, 1);
  for (const std::size_t threads : {1, 2, 16}) {
    cpu::executor exec(threads);
    for (const auto& sizes : {std::vector<std::size_t>{64, 64, 128},
                              {100, 77, 200},
                              {1, 1, 1},
                              {31, 2, 33, 128, 5},
                              {300}}) {
      std::vector<section<teal>> sections;
      std::size_t at = 0;
      for (const std::size_t n : sizes) {
        const float tau = 0.3f * static_cast<float>(sections.size() % 3);
        sections.push_back({at, at + n, {magnitude{}, above{tau}}});
        at += n;
      }
      const stacked<teal> s{sections.data(), sections.size()};
      const std::vector<float> w = normal_vector(at * inputs, 2);
      const auto whole = pack_rows<TestType>(exec, w, inputs, 0, at);
      for (const std::size_t tokens : {1, 3, 20}) {
        std::vector<float> y(tokens * at, -1.0f);
        if (tokens == 1)
          multiply(exec, whole, s, vector_view<const float>(x.data(), inputs), y);
        else
          multiply(exec, whole, s, matrix_view<const float>(x.data(), tokens, inputs),
                   matrix_view<float>(y.data(), tokens, at));
        std::size_t wrong = 0;
        for (const auto& one : sections) {
          const std::size_t n = one.last - one.first;
          const auto alone = pack_rows<TestType>(exec, w, inputs, one.first, one.last);
          std::vector<float> expected(tokens * n);
          if (tokens == 1)
            multiply(exec, alone, one.keep, vector_view<const float>(x.data(), inputs), expected);
          else
            multiply(exec, alone, one.keep, matrix_view<const float>(x.data(), tokens, inputs),
                     matrix_view<float>(expected.data(), tokens, n));
          for (std::size_t t = 0; t < tokens; ++t)
            wrong += std::memcmp(y.data() + t * at + one.first, expected.data() + t * n,
                                 n * sizeof(float)) != 0;
        }
        INFO(threads << " threads, " << tokens << " tokens, " << sizes.size() << " sections");
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("sections: must tile the outputs") {
  cpu::executor exec(1);
  const auto w = pack_rows<channel_major<float>>(exec, normal_vector(40, 3), 4, 0, 10);
  const std::vector<float> x(4, 1.0f);
  std::vector<float> y(10);
  const auto run = [&](const std::vector<section<teal>>& s) {
    multiply(exec, w, stacked<teal>{s.data(), s.size()}, x, y);
  };
  CHECK_NOTHROW(run({{0, 4, {}}, {4, 10, {}}}));
  CHECK_SAYS(run({}), shape_error, "1 to 8 sections expected, got 0");
  CHECK_SAYS(run({{0, 4, {}}, {5, 10, {}}}), shape_error, "section 1 must begin at output 4");
  CHECK_SAYS(run({{0, 0, {}}, {0, 10, {}}}), shape_error,
             "section 0 must begin at output 0 and not");
  CHECK_SAYS(run({{0, 9, {}}}), shape_error, "sections for 10 outputs expected, got 9");
}

TEMPLATE_TEST_CASE("normalised: RMSNorm in the pass that compacts changes no bit", "",
                   row_major<float>, panel<float>, channel_major<bfloat16>, channel_major<q8_0>,
                   panel<q4_1>) {
  constexpr std::size_t inputs = 577, outputs = 90;
  cpu::executor exec(2);
  const auto w = pack_rows<TestType>(exec, normal_vector(outputs * inputs, 4), inputs, 0, outputs);
  const std::vector<float> x = normal_vector(inputs, 5), gain = normal_vector(inputs, 6);
  for (const cpu::isa i : cpu::all_isas) {
    if (!cpu::supported(i)) continue;
    exec.use(i);
    const normalised n = rms_norm(vector_view<const float>(x), gain, 1e-5f);
    std::vector<float> h(inputs), a(outputs), b(outputs);
    for (std::size_t c = 0; c < inputs; ++c) h[c] = n[c];
    const sparsifier s{magnitude{}, above{0.4f}};
    multiply(exec, w, s, n, a);
    multiply(exec, w, s, h, b);
    INFO(cpu::name(i));
    CHECK(a == b);
  }
  CHECK_SAYS((void)rms_norm(vector_view<const float>(x.data(), 5), gain, 0.0f), shape_error,
             "x has 5 channels and the gain 577");
}

TEST_CASE("normalised: has a root mean square of 1 before the gain") {
  const std::vector<float> x = normal_vector(1000, 7), ones(1000, 1.0f);
  const normalised n = rms_norm(vector_view<const float>(x), ones, 0.0f);
  double squares = 0;
  for (std::size_t c = 0; c < 1000; ++c) squares += static_cast<double>(n[c]) * n[c];
  CHECK_THAT(squares / 1000, Catch::Matchers::WithinAbs(1.0, 1e-6));
}

TEMPLATE_TEST_CASE("gated: one pass is gate, up, silu and the selection for down", "",
                   panel<bfloat16>, channel_major<float>, channel_major<bfloat16>, panel<q8_0>,
                   channel_major<q4_1>) {
  constexpr std::size_t inputs = 300;
  for (const std::size_t hidden : {1, 70, 700, 5000}) {
    const std::vector<float> w = normal_vector(2 * hidden * inputs, 8);
    const std::vector<float> x = normal_vector(inputs, 9);
    for (const std::size_t threads : {1, 3}) {
      cpu::executor exec(threads);
      const auto packed = pack_rows<TestType>(exec, w, inputs, 0, 2 * hidden);
      const section<teal> s[] = {{0, hidden, {magnitude{}, above{0.2f}}},
                                 {hidden, 2 * hidden, {magnitude{}, above{0.6f}}}};
      const sparsifier next{magnitude{}, above{0.5f}};
      std::vector<float> gated(hidden), plain(2 * hidden), h(hidden);
      active_set active(hidden), expected(hidden);
      multiply_gated(exec, packed, stacked<teal>{s, 2}, vector_view<const float>(x), gated, next,
                     active);
      multiply(exec, packed, stacked<teal>{s, 2}, x, plain);
      gate(exec, vector_view<const float>(plain.data(), hidden),
           vector_view<const float>(plain.data() + hidden, hidden), vector_view<float>(h));
      sparsify(exec, next, h, expected);
      INFO(hidden << " hidden, " << threads << " threads");
      CHECK(std::memcmp(h.data(), gated.data(), hidden * sizeof(float)) == 0);
      REQUIRE(active.size() == expected.size());
      CHECK(
          std::equal(active.indices().begin(), active.indices().end(), expected.indices().begin()));
      CHECK(std::equal(active.values().begin(), active.values().end(), expected.values().begin()));
    }
  }
}

TEST_CASE("rows: those listed are computed, the others are zero") {
  cpu::executor exec(2);
  const std::vector<float> w = normal_vector(50 * 33, 10), x = normal_vector(33, 11);
  const auto packed = pack_rows<row_major<bfloat16>>(exec, w, 33, 0, 50);
  std::vector<float> all(50), some(50, 7.0f);
  multiply(exec, packed, x, all);
  const std::uint32_t index[] = {0, 3, 4, 17, 49};
  const float unused[5] = {};
  multiply_rows(exec, packed.view(), {index, unused, 5}, x, some);
  for (std::size_t o = 0; o < 50; ++o)
    CHECK(some[o] == (std::find(index, index + 5, o) != index + 5 ? all[o] : 0.0f));
  multiply_rows(exec, packed.view(), {}, x, some);
  CHECK(some == std::vector<float>(50, 0.0f));
  const std::uint32_t beyond[] = {50};
  CHECK_SAYS(multiply_rows(exec, packed.view(), {beyond, unused, 1}, x, some), shape_error,
             "W has 50 rows, row 50 was asked for");
}
