// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What an engine's author writes without looking: each of these compiles, runs and gives the bits
// of the longer way.
#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/sparsellm.hpp"

using namespace sparsellm;

namespace {

constexpr std::size_t outputs = 300, inputs = 520;

struct layer {
  std::vector<float> w = std::vector<float>(outputs * inputs), x = std::vector<float>(inputs);
  layer() {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (float& v : w) v = normal(random);
    for (float& v : x) v = normal(random);
  }
  [[nodiscard]] matrix_view<const float> weight() const { return {w.data(), outputs, inputs}; }
};

const sparsifier half_of_x{magnitude{}, above{0.6745f}};

// W as GGUF's Q4_1: blocks of a scale, a minimum and 32 nibbles.
std::vector<std::byte> gguf_q4_1(std::size_t rows, std::size_t cols) {
  std::mt19937 random(13);
  std::vector<std::byte> bytes(rows * cols / 32 * 20);
  for (std::size_t b = 0; b < bytes.size(); b += 20) {
    const half scale = narrow<half>(0.01f * static_cast<float>(random() % 9 + 1));
    const half minimum = narrow<half>(-0.1f);
    for (std::size_t i = 0; i < 2; ++i) {
      bytes[b + i] = static_cast<std::byte>(scale.bits >> (8 * i));
      bytes[b + 2 + i] = static_cast<std::byte>(minimum.bits >> (8 * i));
    }
    for (std::size_t i = 4; i < 20; ++i) bytes[b + i] = static_cast<std::byte>(random());
  }
  return bytes;
}

}  // namespace

TEST_CASE("engine: an active set stands where x and a sparsifier would") {
  const layer l;
  cpu::executor exec(2);
  const auto w = pack<channel_major<bfloat16>>(exec, l.weight());
  std::vector<float> expected(outputs), y(outputs);
  multiply(exec, w, half_of_x, l.x, expected);
  active_set active(inputs);
  sparsify(exec, half_of_x, l.x, active);
  multiply(exec, w, active, y);
  CHECK(y == expected);
  std::fill(y.begin(), y.end(), 0.0f);
  multiply(exec, w, active.view(), y);
  CHECK(y == expected);
  active.append(inputs, 1.0f);
  CHECK_SAYS(multiply(exec, w, active, y), shape_error, "channel 520 is listed, the last is 519");
}

TEST_CASE("engine: top_k of one token needs no set of one's own") {
  const layer l;
  cpu::executor exec(2);
  const auto w = pack<channel_major<float>>(exec, l.weight());
  std::vector<float> expected(outputs), y(outputs);
  active_set active(inputs);
  multiply(exec, w, sparsifier{magnitude{}, top_k{100}}, l.x, expected, active);
  CHECK(active.size() == 100);
  multiply(exec, w, sparsifier{magnitude{}, top_k{100}}, l.x, y);
  CHECK(y == expected);
}

TEST_CASE("engine: any_weight is multiplied as its format is") {
  const layer l;
  cpu::executor exec(2);
  const auto known = pack<channel_major<q8_0>>(exec, l.weight());
  const any_weight any(exec, element_kind::q8_0, layout_kind::channel_major, {outputs, inputs},
                       [&](std::size_t r, vector_view<float> out) {
                         std::copy_n(&l.w[r * inputs], inputs, out.data());
                       });
  CHECK(any.bytes() == known.bytes());
  std::vector<float> expected(outputs), y(outputs);
  const auto same = [&](const auto&... rest) {
    multiply(exec, known, rest..., expected);
    multiply(exec, any, rest..., y);
    return y == expected;
  };
  active_set active(inputs);
  sparsify(exec, half_of_x, l.x, active);
  CHECK(same(l.x));
  CHECK(same(half_of_x, l.x));
  CHECK(same(active));
  CHECK(same(sparsifier{magnitude{}, top_k{50}}, l.x));
  std::vector<float> h(outputs / 2), gated(outputs / 2);
  multiply_gated(exec, known, half_of_x, l.x, h);
  multiply_gated(exec, any, half_of_x, l.x, gated);
  CHECK(h == gated);
}

TEST_CASE("engine: activations in half and bfloat16, in and out") {
  const layer l;
  cpu::executor exec(2);
  const auto w = pack<channel_major<bfloat16>>(exec, l.weight());
  std::vector<bfloat16> x(inputs), y(outputs);
  std::vector<half> y_half(outputs);
  std::vector<float> wide(inputs), expected(outputs), mixed(outputs);
  for (std::size_t i = 0; i < inputs; ++i) {
    x[i] = narrow<bfloat16>(l.x[i]);
    wide[i] = widen(x[i]);
  }
  multiply(exec, w, half_of_x, wide, expected);
  multiply(exec, w, half_of_x, x, mixed);
  CHECK(mixed == expected);
  multiply(exec, w, half_of_x, x, y);
  multiply(exec, w, half_of_x, wide, y_half);
  std::size_t wrong = 0;
  for (std::size_t o = 0; o < outputs; ++o)
    wrong += !(y[o] == narrow<bfloat16>(expected[o])) || !(y_half[o] == narrow<half>(expected[o]));
  CHECK(wrong == 0);
  // Dense, listed, and a batch of two.
  multiply(exec, w, wide, expected);
  multiply(exec, w, x, mixed);
  CHECK(mixed == expected);
  active_set active(inputs);
  sparsify(exec, half_of_x, wide, active);
  multiply(exec, w, active, y);
  multiply(exec, w, active, expected);
  CHECK(y[7] == narrow<bfloat16>(expected[7]));
  std::vector<bfloat16> xs(x), ys(2 * outputs);
  xs.insert(xs.end(), x.begin(), x.end());
  multiply(exec, w, half_of_x, matrix_view<const bfloat16>(xs.data(), 2, inputs),
           matrix_view<bfloat16>(ys.data(), 2, outputs));
  multiply(exec, w, half_of_x, x, y);
  CHECK(std::equal(y.begin(), y.end(), ys.begin() + outputs));
}

TEST_CASE("engine: a mask goes with a matrix") {
  const layer l;
  cpu::executor exec(2);
  const weight_mask mask = best_of_groups(exec, nm_pattern{2, 4}, l.weight());
  const auto packed = pack_masked<n_of_m<bfloat16, 2, 4>>(exec, l.weight(), mask);
  std::vector<float> back(outputs * inputs);
  unpack(packed, matrix_view<float>(back.data(), outputs, inputs));
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < outputs; ++r)
    for (std::size_t c = 0; c < inputs; ++c)
      wrong += back[r * inputs + c] !=
               (mask.keeps(r, c) ? widen(narrow<bfloat16>(l.w[r * inputs + c])) : 0.0f);
  CHECK(wrong == 0);
}

TEST_CASE("engine: GGUF's blocks are packed as they stand in the file") {
  cpu::executor exec(2);
  const std::vector<std::byte> blocks = gguf_q4_1(200, 96);
  const vector_view<const std::byte> bytes(blocks);
  const auto w = pack<channel_major<q4_1>>(exec, bytes, {200, 96});
  std::vector<float> back(200 * 96);
  unpack(w, matrix_view<float>(back.data(), 200, 96));
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < back.size(); ++i) {
    const std::byte* const block = blocks.data() + i / 32 * 20;
    const auto number = [&](std::size_t at) {
      return widen(half{static_cast<std::uint16_t>(std::to_integer<unsigned>(block[at]) |
                                                   std::to_integer<unsigned>(block[at + 1]) << 8)});
    };
    const std::size_t c = i % 32;
    const auto pair = std::to_integer<unsigned>(block[4 + c % 16]);
    const unsigned level = c < 16 ? pair & 15u : pair >> 4;
    wrong += back[i] != number(0) * static_cast<float>(level) + number(2);
  }
  CHECK(wrong == 0);
  // And by an any_weight, whose format the file decides.
  const any_weight any(exec, element_kind::q4_1, layout_kind::channel_major, {200, 96}, bytes);
  CHECK(std::memcmp(any.storage_view().data(), w.storage_view().data(), w.bytes()) == 0);
  CHECK_SAYS(pack<channel_major<q4_1>>(exec, bytes, {200, 90}), shape_error,
             "90 are no whole blocks");
  CHECK_SAYS(pack<panel<q4_1>>(exec, bytes, {199, 96}), shape_error,
             "11940 bytes of GGUF blocks, got 12000");
  CHECK_SAYS(any_weight(exec, element_kind::f32, layout_kind::panel, {200, 96}, bytes), shape_error,
             "200x96 are 76800 bytes of f32, got 12000");
  CHECK_SAYS(any_weight(exec, element_kind::i8, layout_kind::panel, {200, 96}, bytes), value_error,
             "N:M layouts and i8 need a mask");
}

TEMPLATE_TEST_CASE("engine: a file's numbers become a weight without being rounded", "", float,
                   half, bfloat16) {
  using T = TestType;
  cpu::executor exec(2);
  const extents shape{70, 37};  // neither whole strips nor whole tiles
  std::vector<std::byte> bytes(shape.outputs * shape.inputs * sizeof(T) + 1);
  const vector_view<const std::byte> file(bytes.data() + 1, bytes.size() - 1);  // at odd addresses
  buffer<T> weight(shape.outputs * shape.inputs);
  for (std::size_t i = 0; i < weight.size(); ++i)
    weight[i] = narrow<T>(static_cast<float>(i % 211) / 64.0f - 1.5f);
  std::memcpy(bytes.data() + 1, weight.data(), file.size());
  buffer<float> back(weight.size());
  const matrix_view<float> rows(back.data(), shape.outputs, shape.inputs);
  const auto same = [&] {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < back.size(); ++i) wrong += back[i] != widen(weight[i]);
    return wrong == 0;
  };
  unpack(pack<channel_major<T>>(exec, file, shape), rows);
  CHECK(same());
  unpack(pack<row_major<T>>(exec, file, shape), rows);
  CHECK(same());
  for (const layout_kind layout : {layout_kind::panel, layout_kind::channel_major}) {
    const any_weight w(exec, kind_of<T>(), layout, shape, file);
    unpack(w, rows);
    CHECK(same());
    // Padding included, what packing the same numbers as floats gives.
    const any_weight rounded(exec, kind_of<T>(), layout, shape,
                             [&](std::size_t r, vector_view<float> out) {
                               for (std::size_t c = 0; c < out.size(); ++c)
                                 out[c] = widen(weight[r * shape.inputs + c]);
                             });
    CHECK(std::memcmp(w.storage_view().data(), rounded.storage_view().data(), w.bytes()) == 0);
  }
  CHECK_SAYS(pack<panel<T>>(exec, file, {70, 36}), shape_error, "70x36 are");
  const T infinite = narrow<T>(std::numeric_limits<float>::infinity());
  std::memcpy(bytes.data() + 1 + (37 * 69 + 5) * sizeof(T), &infinite, sizeof(T));
  CHECK_SAYS(pack<panel<T>>(exec, file, shape), value_error, "weight [69, 5] is inf");
}

TEST_CASE("engine: bytes of one's own are looked at after they were checked") {
  const layer l;
  cpu::executor exec(1);
  using format = n_of_m<bfloat16, 2, 4>;
  const extents shape{outputs, inputs};
  const auto packed = pack<format>(exec, l.weight());
  const std::size_t wanted = storage_bytes<format>(shape);
  CHECK(wanted == packed.bytes() + 64);
  buffer<std::byte> mine(wanted + 64);
  std::copy_n(packed.storage_view().data(), wanted, mine.data());
  std::vector<float> expected(outputs), y(outputs);
  multiply(exec, packed, l.x, expected);
  const vector_view<const std::byte> bytes(mine.data(), wanted);
  multiply(exec, view_of<format>(bytes, shape), l.x, y);
  CHECK(y == expected);
  CHECK_SAYS(view_of<format>(vector_view<const std::byte>(mine.data(), wanted - 1), shape),
             shape_error, "64 of them behind the last value, where kernels may read");
  CHECK_SAYS(view_of<format>(vector_view<const std::byte>(mine.data() + 8, wanted), shape),
             value_error, "bytes aligned to 64 expected, got an address 8 past a multiple of it");
  CHECK_SAYS(view_of<format>(bytes, extents{0, inputs}), shape_error, "at least 1 output");
  const auto beside = format::template make_view<host_space>(mine.data() + 16, shape);
  CHECK_SAYS(multiply(exec, beside, l.x, y), value_error,
             "a packed weight aligned to 64 bytes expected, got an address 16 past");
  std::vector<float> h(outputs / 2);
  CHECK_SAYS(multiply_gated(exec, beside, keep_all{}, l.x, h), value_error, "a packed weight");
  const row_major<half>::view<host_space> rows =
      row_major<half>::make_view<host_space>(mine.data() + 1, {outputs / 4, inputs});
  CHECK_SAYS(multiply(exec, rows, l.x, vector_view<float>(y.data(), outputs / 4)), value_error,
             "a row_major weight aligned to 2 bytes expected, got an address 1 past");
  const vector_view<const float> odd(
      reinterpret_cast<const float*>(reinterpret_cast<const std::byte*>(l.x.data()) + 2), inputs);
  CHECK_SAYS(multiply(exec, packed, odd, y), value_error, "x aligned to 4 bytes expected");
}

TEMPLATE_TEST_CASE("engine: threads that divide the outputs get the bits of one product", "",
                   panel<bfloat16>, channel_major<bfloat16>, row_major<float>, panel<q4_0>,
                   channel_major<q8_0>, (n_of_m<half, 2, 4>), (n_of_m<std::int8_t, 4, 8>),
                   (channel_bitmap<bfloat16, 2, 4>)) {
  const layer l;
  cpu::executor exec(2);
  const auto w = pack<TestType>(exec, l.weight());
  const section<teal> qkv[] = {{0, 90, {magnitude{}, above{0.2f}}},
                               {90, 200, {magnitude{}, above{0.6f}}},
                               {200, outputs, {magnitude{}, above{1.0f}}}};
  const stacked<teal> s{qkv, 3};
  std::vector<float> expected(outputs), y(outputs, -1.0f);
  const vector_view<const float> x(l.x);
  multiply(exec, w, s, x, expected);
  constexpr std::size_t threads = 3;
  std::vector<std::thread> team;
  for (std::size_t t = 0; t < threads; ++t)
    team.emplace_back([&, t] {
      cpu::serial_executor mine;
      multiply_slice(mine, w, slice_of(w.shape(), t, threads), s, x, y);
    });
  for (std::thread& t : team) t.join();
  CHECK(std::memcmp(y.data(), expected.data(), outputs * sizeof(float)) == 0);

  // Slices may begin anywhere, and leave the rest alone; a batch too.
  std::fill(y.begin(), y.end(), -1.0f);
  cpu::serial_executor one;
  multiply_slice(one, w, {37, 211}, s, x, y);
  CHECK(y[36] == -1.0f);
  CHECK(y[211] == -1.0f);
  CHECK(std::memcmp(&y[37], &expected[37], (211 - 37) * sizeof(float)) == 0);
  for (const std::size_t tokens : {3, 20}) {
    std::vector<float> xs, whole(tokens * outputs), slices(tokens * outputs, -1.0f);
    for (std::size_t t = 0; t < tokens; ++t) xs.insert(xs.end(), l.x.begin(), l.x.end());
    const matrix_view<const float> in(xs.data(), tokens, inputs);
    multiply(exec, w, half_of_x, in, matrix_view<float>(whole.data(), tokens, outputs));
    for (std::size_t t = 0; t < threads; ++t)
      multiply_slice(one, w, slice_of(w.shape(), t, threads), half_of_x, in,
                     matrix_view<float>(slices.data(), tokens, outputs));
    CHECK(std::memcmp(whole.data(), slices.data(), whole.size() * sizeof(float)) == 0);
    // Y may be the slice's own, rows of other lengths apart.
    std::vector<float> own(tokens * 180, -1.0f);
    multiply_slice(one, w, {37, 211}, half_of_x, in,
                   matrix_view<float>(own.data(), tokens, 211 - 37, 180));
    for (std::size_t t = 0; t < tokens; ++t) {
      CHECK(std::memcmp(&own[t * 180], &whole[t * outputs + 37], (211 - 37) * sizeof(float)) == 0);
      CHECK(own[t * 180 + 211 - 37] == -1.0f);
    }
  }
  std::vector<float> own(211 - 37);
  multiply_slice(one, w, {37, 211}, s, x, own);
  CHECK(std::memcmp(own.data(), &expected[37], own.size() * sizeof(float)) == 0);
  CHECK_SAYS(multiply_slice(one, w, {37, 210}, s, x, own), shape_error,
             "W is 300x520, so y must have 300 outputs, or the slice's 173, got 174");
  CHECK_SAYS(multiply_slice(one, w, {200, 301}, s, x, y), shape_error,
             "W has 300 outputs, got the slice [200, 301)");
}

TEST_CASE("engine: rows by scores") {
  const layer l;
  cpu::executor exec(2);
  const auto w = pack<row_major<half>>(exec, l.weight());
  std::vector<float> scores(outputs), all(outputs), y(outputs);
  for (std::size_t o = 0; o < outputs; ++o) scores[o] = o % 3 == 0 ? 1.0f : 0.0f;
  multiply(exec, w, l.x, all);
  multiply_rows(exec, w, vector_view<const float>(scores), half_of_x, vector_view<const float>(l.x),
                y);
  std::size_t wrong = 0;
  for (std::size_t o = 0; o < outputs; ++o) wrong += y[o] != (o % 3 == 0 ? all[o] : 0.0f);
  CHECK(wrong == 0);
}

TEST_CASE("engine: silu and gate check their sizes") {
  cpu::executor exec(1);
  std::vector<float> three(3, 1.0f), four(4, 1.0f), out(3);
  silu(exec, vector_view<const float>(three), out);
  CHECK_THAT(out[0], Catch::Matchers::WithinAbs(0.7310586, 1e-6));
  gate(exec, vector_view<const float>(three), vector_view<const float>(three), out);
  CHECK_THAT(out[2], Catch::Matchers::WithinAbs(0.7310586, 1e-6));
  CHECK_SAYS(silu(exec, vector_view<const float>(four), out), shape_error,
             "4 inputs for 3 outputs");
  CHECK_SAYS(gate(exec, vector_view<const float>(three), vector_view<const float>(four), out),
             shape_error, "3 gates and 4 values for 3 outputs");
}
