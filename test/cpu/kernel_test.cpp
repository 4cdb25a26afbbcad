// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "laws/multiply_laws.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/executors/serial_executor.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/pack.hpp"

using namespace sparsellm;

// Whether an instruction set rounds the activations of large batches to bfloat16, for its dot
// product, its matrix product or its tiles.
template <class F>
constexpr bool rounds_batches(cpu::isa i) {
  using T = typename F::element;
  // Those behind avx512_bf16 are better ones.
  if (i != cpu::isa::neon_bf16 && i < cpu::isa::avx512_bf16) return false;
  if constexpr (is_pruned(F::layout)) return !std::is_same_v<T, float> && !std::is_same_v<T, half>;
  return std::is_same_v<T, bfloat16> && F::layout != layout_kind::row_major;
}

TEMPLATE_TEST_CASE("kernels: keep the laws of multiplication on every instruction set", "",
                   row_major<float>, row_major<half>, row_major<bfloat16>, panel<float>,
                   panel<half>, panel<bfloat16>, channel_major<float>, channel_major<half>,
                   channel_major<bfloat16>, panel<q8_0>, channel_major<q8_0>, channel_major<q4_0>,
                   panel<q4_1>, channel_major<q4_1>,
                   (channel_major<quantized<8, 128, quantization::affine>>),
                   (channel_major<quantized<4, 64>>), panel<q5_0>, channel_major<q5_0>, panel<q5_1>,
                   channel_major<q5_1>, (channel_major<quantized<5, 64>>), panel<iq4_nl>,
                   channel_major<iq4_nl>, panel<q4_k>, channel_major<q4_k>, panel<q5_k>,
                   channel_major<q5_k>, panel<q6_k>, channel_major<q6_k>, (n_of_m<float, 2, 4>),
                   (n_of_m<half, 4, 8>), (n_of_m<bfloat16, 2, 4>), (n_of_m<bfloat16, 1, 3>),
                   (n_of_m<std::int8_t, 2, 4>), (n_of_m<std::int8_t, 6, 8>),
                   (channel_bitmap<float, 2, 4>), (channel_bitmap<half, 2, 3>),
                   (channel_bitmap<bfloat16, 2, 4>), (channel_bitmap<std::int8_t, 4, 8>)) {
  for (const cpu::isa i : cpu::all_isas) {
    if (!cpu::supported(i)) continue;
    cpu::executor exec(2);
    exec.use(i);
    INFO(cpu::name(i));
    multiply_laws<TestType>(exec,
                            rounds_batches<TestType>(i) ? detail::brick_tuning::rounded_batch : 0);
  }
}

TEMPLATE_TEST_CASE("kernels: the same bits for every thread count, run and instruction set", "",
                   row_major<bfloat16>, panel<float>, panel<half>, panel<bfloat16>,
                   channel_major<float>, channel_major<half>, channel_major<bfloat16>, panel<q8_0>,
                   channel_major<q8_0>, panel<q4_0>, channel_major<q4_1>, panel<q5_0>,
                   channel_major<q5_1>, panel<iq4_nl>, channel_major<iq4_nl>, panel<q4_k>,
                   channel_major<q4_k>, panel<q5_k>, channel_major<q5_k>, panel<q6_k>,
                   channel_major<q6_k>, (n_of_m<float, 4, 8>), (n_of_m<half, 2, 4>),
                   (n_of_m<bfloat16, 2, 4>), (n_of_m<bfloat16, 5, 7>), (n_of_m<std::int8_t, 2, 4>),
                   (n_of_m<std::int8_t, 3, 4>), (channel_bitmap<float, 4, 8>),
                   (channel_bitmap<half, 2, 4>), (channel_bitmap<bfloat16, 2, 4>),
                   (channel_bitmap<bfloat16, 3, 5>), (channel_bitmap<std::int8_t, 2, 4>)) {
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

TEMPLATE_TEST_CASE("kernels: a batch gives the bits of its tokens one by one", "", panel<bfloat16>,
                   channel_major<float>, channel_major<bfloat16>, panel<q8_0>, channel_major<q8_0>,
                   panel<q4_1>, channel_major<q4_1>, panel<q5_1>, channel_major<q5_0>,
                   panel<iq4_nl>, channel_major<iq4_nl>, panel<q4_k>, channel_major<q4_k>,
                   panel<q5_k>, channel_major<q5_k>, panel<q6_k>, channel_major<q6_k>,
                   (channel_bitmap<bfloat16, 2, 4>), (channel_bitmap<std::int8_t, 2, 4>)) {
  std::mt19937 random(37);
  std::normal_distribution<float> normal;
  // Few strips and several parts; more strips than are read at a time.
  for (const extents e : {extents{130, 600}, {2500, 45}}) {
    std::vector<float> w(e.outputs * e.inputs), xs(40 * e.inputs), ys(40 * e.outputs), y(e.outputs);
    for (float& v : w) v = normal(random);
    for (float& v : xs) v = normal(random);
    for (const cpu::isa i : cpu::all_isas) {
      if (!cpu::supported(i)) continue;
      cpu::executor exec(3);
      exec.use(i);
      const auto packed =
          pack<TestType>(exec, matrix_view<const float>(w.data(), e.outputs, e.inputs));
      const sparsifier s{magnitude{}, above{0.6745f}};
      for (const std::size_t tokens : {2, 3, 8, 12, 13, 16, 17, 24, 25, 40}) {
        if (rounds_batches<TestType>(i) && tokens >= detail::brick_tuning::rounded_batch) continue;
        // A large batch of levels does not round its activations to them.
        if (std::is_same_v<typename TestType::element, std::int8_t> &&
            tokens >= detail::bitmap_tuning::expanding_batch)
          continue;
        multiply(exec, packed, s, matrix_view<const float>(xs.data(), tokens, e.inputs),
                 matrix_view<float>(ys.data(), tokens, e.outputs));
        std::size_t wrong = 0;
        for (std::size_t t = 0; t < tokens; ++t) {
          multiply(exec, packed, s, vector_view<const float>(xs.data() + t * e.inputs, e.inputs),
                   y);
          wrong += std::memcmp(y.data(), ys.data() + t * e.outputs, e.outputs * 4) != 0;
        }
        INFO(cpu::name(i) << " " << tokens << ", " << e.outputs << "x" << e.inputs);
        CHECK(wrong == 0);
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: a large batch gives the same bits in every layout", "", float, half,
                   bfloat16) {
  std::mt19937 random(53);
  std::normal_distribution<float> normal;
  const extents e{1300, 301};
  constexpr std::size_t tokens = 27;
  std::vector<float> w(e.outputs * e.inputs), x(tokens * e.inputs);
  for (float& v : w) v = normal(random);
  for (float& v : x) v = normal(random);
  const matrix_view<const float> xs(x.data(), tokens, e.inputs);
  const sparsifier s{magnitude{}, above{0.6745f}};
  for (const cpu::isa i : cpu::all_isas) {
    if (!cpu::supported(i)) continue;
    INFO(cpu::name(i));
    std::vector<float> panels, others(tokens * e.outputs);
    for (const std::size_t threads : {1, 4}) {
      cpu::executor exec(threads);
      exec.use(i);
      const auto bitmap = pack<channel_bitmap<TestType, 2, 4>>(
          exec, matrix_view<const float>(w.data(), e.outputs, e.inputs));
      unpack(bitmap, matrix_view<float>(w.data(), e.outputs, e.inputs));
      const matrix_view<const float> kept(w.data(), e.outputs, e.inputs);
      const matrix_view<float> to(others.data(), tokens, e.outputs);
      if (panels.empty()) {
        panels.resize(others.size());
        multiply(exec, pack<panel<TestType>>(exec, kept), s, xs,
                 matrix_view<float>(panels.data(), tokens, e.outputs));
      }
      multiply(exec, pack<channel_major<TestType>>(exec, kept), s, xs, to);
      CHECK(std::memcmp(panels.data(), others.data(), panels.size() * sizeof(float)) == 0);
      multiply(exec, bitmap, s, xs, to);
      CHECK(std::memcmp(panels.data(), others.data(), panels.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("kernels: silu is within 4 units in the last place on every instruction set") {
  std::vector<float> gate, up;
  for (float x = -100.0f; x < 100.0f; x += 0.0137f) gate.push_back(x);
  for (const float x : {0.0f, -0.0f, 1e-30f, -1e-30f, 1e30f}) gate.push_back(x);
  up.assign(gate.size(), 1.0f);
  std::vector<float> first;
  for (const cpu::isa i : cpu::all_isas) {
    if (!cpu::supported(i)) continue;
    std::vector<float> out(gate.size());
    detail::vector_kernels(i).silu_mul(gate.data(), up.data(), gate.size(), out.data());
    std::size_t wrong = 0;
    for (std::size_t k = 0; k < gate.size(); ++k) {
      const double x = gate[k], exact = x / (1.0 + std::exp(-x));
      // Below -88 the exponential stays at its largest: what is left is less than 1e-36.
      wrong += !(std::fabs(out[k] - exact) <= 4 * 0x1p-24 * std::fabs(exact) + 1e-36);
    }
    INFO(cpu::name(i));
    CHECK(wrong == 0);
    if (first.empty()) first = out;
    CHECK(std::memcmp(first.data(), out.data(), out.size() * 4) == 0);
  }
  const float nan = std::numeric_limits<float>::quiet_NaN(), one = 1.0f;
  float out = 0;
  detail::vector_kernels(cpu::default_isa()).silu_mul(&nan, &one, 1, &out);
  CHECK(std::isnan(out));
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

TEST_CASE("kernels: a channel bitmap gives the bits of its weights with zeros in a panel") {
  std::mt19937 random(41);
  std::normal_distribution<float> normal;
  cpu::executor exec(3);
  std::vector<float> w(200 * 700), x(700), a(200), b(200);
  for (float& v : w) v = normal(random);
  for (float& v : x) v = normal(random);
  const auto sparse =
      pack<channel_bitmap<bfloat16, 2, 4>>(exec, matrix_view<const float>(w.data(), 200, 700));
  unpack(sparse, matrix_view<float>(w.data(), 200, 700));
  const auto dense = pack<panel<bfloat16>>(exec, matrix_view<const float>(w.data(), 200, 700));
  for (const float tau : {-1.0f, 0.5f}) {
    multiply(exec, dense, sparsifier{magnitude{}, above{tau}}, x, a);
    multiply(exec, sparse, sparsifier{magnitude{}, above{tau}}, x, b);
    CHECK(a == b);
  }
}

TEST_CASE("kernels: compaction agrees with the sparsifier on every instruction set") {
  std::mt19937 random(23);
  std::uniform_int_distribution<int> ties(-8, 8);
  for (const std::size_t n : {1, 15, 16, 17, 100, 576, 4099}) {
    std::vector<float> x(n), scale(n);
    for (float& v : x) v = static_cast<float>(ties(random)) / 8;
    for (float& v : scale) v = static_cast<float>(ties(random) + 8) / 4;
    active_set expected(n), scaled(n);
    cpu::serial_executor serial;
    sparsify(serial, sparsifier{magnitude{}, above{0.5f}}, x, expected);
    sparsify(serial, sparsifier{column_scaled{scale.data()}, above{0.5f}}, x, scaled);
    for (const cpu::isa i : cpu::all_isas) {
      if (!cpu::supported(i)) continue;
      const auto& kernels = detail::vector_kernels(i);
      std::vector<std::uint32_t> index(n + 16);
      std::vector<float> value(n + 16);
      INFO(cpu::name(i) << " " << n);
      const auto same = [&](const active_set<>& e, std::size_t count) {
        REQUIRE(count == e.size());
        CHECK(std::memcmp(index.data(), e.indices().data(), count * 4) == 0);
        CHECK(std::memcmp(value.data(), e.values().data(), count * 4) == 0);
      };
      same(expected, kernels.compact_above({x.data(), nullptr, 1.0f}, nullptr, 0.5f, 0, n,
                                           index.data(), value.data()));
      same(scaled, kernels.compact_above({x.data(), nullptr, 1.0f}, scale.data(), 0.5f, 0, n,
                                         index.data(), value.data()));
    }
  }
}
