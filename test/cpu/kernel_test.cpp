// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "laws/multiply_laws.hpp"
#include "sparsellm/cpu/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"

using namespace sparsellm;

TEMPLATE_TEST_CASE("kernels: keep the laws of multiplication on every instruction set", "",
                   row_major<float>, row_major<half>, row_major<bfloat16>, panel<float>,
                   panel<half>, panel<bfloat16>, channel_major<float>, channel_major<half>,
                   channel_major<bfloat16>) {
  for (const cpu::isa i : cpu::all_isas) {
    if (!cpu::supported(i)) continue;
    cpu::executor exec(2);
    exec.use(i);
    // Only the bfloat16 dot product rounds activations, and only in larger batches.
    const bool rounds = i == cpu::isa::avx512_bf16 &&
                        std::is_same_v<typename TestType::value_type, bfloat16> &&
                        !std::is_same_v<TestType, row_major<bfloat16>>;
    INFO(cpu::name(i));
    multiply_laws<TestType>(exec, rounds ? cpu::rounded_batch : 0);
  }
}

TEMPLATE_TEST_CASE("kernels: the same bits for every thread count, run and instruction set", "",
                   row_major<bfloat16>, panel<float>, panel<half>, panel<bfloat16>,
                   channel_major<float>, channel_major<half>, channel_major<bfloat16>) {
  std::mt19937 random(17);
  std::normal_distribution<float> normal;
  cpu::executor packer(2);
  for (const extents e : {extents{100, 301}, {576, 1536}, {2100, 2100}}) {
    std::vector<float> w(e.outputs * e.inputs), x(e.inputs);
    for (float& v : w) v = normal(random);
    for (float& v : x) v = normal(random);
    const auto packed =
        pack<TestType>(packer, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    const sparsifier s{magnitude{}, above{0.6745f}};
    std::vector<float> first;
    for (const cpu::isa i : cpu::all_isas) {
      if (!cpu::supported(i)) continue;
      for (const std::size_t threads : {1, 2, 3, 5, 16}) {
        cpu::executor exec(threads);
        exec.use(i);
        for (int run = 0; run < 2; ++run) {
          std::vector<float> y(e.outputs, -1.0f);
          multiply(exec, packed, s, x, y);
          if (first.empty()) first = y;
          INFO(cpu::name(i) << ", " << threads << " threads");
          CHECK(std::memcmp(first.data(), y.data(), y.size() * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST_CASE("kernels: panel and channel_major agree to the bit, skipped or masked") {
  std::mt19937 random(19);
  std::normal_distribution<float> normal;
  cpu::executor exec(2);
  std::vector<float> w(200 * 700), x(700), a(200), b(200);
  for (float& v : w) v = normal(random);
  for (float& v : x) v = normal(random);
  const matrix_view<const float> view(w.data(), 200, 700);
  const sparsifier s{magnitude{}, above{0.5f}};
  multiply(exec, pack<panel<bfloat16>>(exec, view), s, x, a);
  multiply(exec, pack<channel_major<bfloat16>>(exec, view), s, x, b);
  CHECK(a == b);
}

TEST_CASE("kernels: compaction agrees with the sparsifier on every instruction set") {
  std::mt19937 random(23);
  std::uniform_int_distribution<int> ties(-8, 8);
  for (const std::size_t n : {1, 15, 16, 17, 100, 576, 4099}) {
    std::vector<float> x(n), scale(n);
    for (float& v : x) v = static_cast<float>(ties(random)) / 8;
    for (float& v : scale) v = static_cast<float>(ties(random) + 8) / 4;
    active_set expected(n), scaled(n);
    sparsify(sparsifier{magnitude{}, above{0.5f}}, x, expected);
    sparsify(sparsifier{column_scaled{scale.data()}, above{0.5f}}, x, scaled);
    for (const cpu::isa i : cpu::all_isas) {
      if (!cpu::supported(i)) continue;
      const auto& kernels = cpu::kernels_for<float>(i);
      std::vector<std::uint32_t> index(n + 16);
      std::vector<float> value(n + 16);
      INFO(cpu::name(i) << " " << n);
      const auto same = [&](const active_set& e, std::size_t count) {
        REQUIRE(count == e.size());
        CHECK(std::memcmp(index.data(), e.indices().data(), count * 4) == 0);
        CHECK(std::memcmp(value.data(), e.values().data(), count * 4) == 0);
      };
      same(expected,
           kernels.compact_above(x.data(), nullptr, 0.5f, 0, n, index.data(), value.data()));
      same(scaled,
           kernels.compact_above(x.data(), scale.data(), 0.5f, 0, n, index.data(), value.data()));
    }
  }
}
