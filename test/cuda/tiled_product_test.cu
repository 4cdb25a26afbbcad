// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Batches of more than 8 tokens on tensor cores: every format, every tile, awkward sizes, sections,
// splits of the channels, against the reference.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/multiply/reference.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

using namespace sparsellm;

namespace {

using input = matrix_view<const float, device_space>;
using output = matrix_view<float, device_space>;

// Activations are rounded to the weight's type, and for levels to two bfloat16; a tensor core may
// cut what it adds to its sum off at 2^-23, and scaled sums are rounded as floats.
template <class F>
double bound(std::size_t inputs) {
  double rounded = 0x1p-16;
  if constexpr (storage_scalar<typename F::element>) rounded = unit_roundoff<typename F::element>;
  return rounded + static_cast<double>(inputs + 8) * 0x1p-23;
}

// How many outputs [first, last) of a token differ from the reference by more than they may.
template <class F, class S>
std::size_t outside(const packed_matrix<F>& w, const S& s, const std::vector<float>& x,
                    const std::vector<float>& y, std::size_t token, std::size_t first,
                    std::size_t last) {
  const auto [outputs, inputs] = w.shape();
  std::vector<double> expected(outputs), magnitudes(outputs);
  reference_multiply(w, s, vector_view<const float>(&x[token * inputs], inputs), expected,
                     magnitudes);
  std::size_t wrong = 0;
  for (std::size_t o = first; o < last; ++o)
    wrong += !(std::fabs(y[token * outputs + o] - expected[o]) <= bound<F>(inputs) * magnitudes[o]);
  return wrong;
}

const sparsifier keep{magnitude{}, above{0.6745f}};

}  // namespace

TEMPLATE_TEST_CASE("cuda: batches on tensor cores agree with the reference", "", row_major<half>,
                   row_major<bfloat16>, panel<half>, panel<bfloat16>, channel_major<half>,
                   channel_major<bfloat16>, panel<q8_0>, channel_major<q8_0>, channel_major<q4_0>,
                   panel<q4_1>, channel_major<q4_1>,
                   (channel_major<quantized<4, 128, quantization::affine>>),
                   (channel_major<quantized<8, 64, quantization::affine>>),
                   (n_of_m<std::int8_t, 2, 4>), (n_of_m<bfloat16, 4, 8>), (n_of_m<half, 3, 7>),
                   (n_of_m<bfloat16, 15, 16>), (n_of_m<std::int8_t, 1, 8>),
                   (channel_bitmap<bfloat16, 2, 4>), (channel_bitmap<half, 3, 7>),
                   (channel_bitmap<std::int8_t, 4, 8>)) {
  using F = TestType;
  device d;
  for (const extents e : {extents{1, 1}, {3, 31}, {70, 577}, {300, 72}}) {
    const std::vector<float> w = normal(e.outputs * e.inputs, 21);
    const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    const auto weight = cuda::to_device(d.exec, packed);
    for (const std::size_t tokens : {9, 16, 17, 64, 100, 150}) {
      INFO(F::name << " " << e.outputs << "x" << e.inputs << ", " << tokens << " tokens");
      const std::vector<float> x = normal(tokens * e.inputs, 22);
      const auto xs = d.up(x);
      auto y = d.exec.allocate<float>(tokens * e.outputs);
      const sparsifier s{magnitude{}, above{tokens == 17 ? 0.0f : 0.6745f}};
      multiply(d.exec, weight, s, input(xs.data(), tokens, e.inputs),
               output(y.data(), tokens, e.outputs));
      const std::vector<float> got = d.down(y);
      std::size_t wrong = 0;
      for (const std::size_t t : {std::size_t{0}, std::size_t{7}, tokens / 2, tokens - 1})
        wrong += outside(packed, s, x, got, t, 0, e.outputs);
      CHECK(wrong == 0);
    }
  }
}

TEMPLATE_TEST_CASE("cuda: sections on tensor cores skip on their own, borders anywhere", "",
                   row_major<half>, channel_major<bfloat16>, channel_major<q8_0>,
                   channel_major<q4_1>, (n_of_m<half, 4, 8>), (channel_bitmap<bfloat16, 2, 4>)) {
  using F = TestType;
  device d;
  const extents e{701, 600};
  const std::vector<float> w = normal(e.outputs * e.inputs, 23);
  const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto weight = cuda::to_device(d.exec, packed);
  const section<teal> sections[] = {{0, 301, {magnitude{}, above{0.3f}}},
                                    {301, 303, {magnitude{}, above{2.0f}}},
                                    {303, 500, {magnitude{}, above{0.9f}}},
                                    {500, 701, {magnitude{}, above{0.9f}}}};
  for (const std::size_t tokens : {12, 40, 140}) {
    INFO(F::name << ", " << tokens << " tokens");
    const std::vector<float> x = normal(tokens * e.inputs, 24);
    auto y = d.exec.allocate<float>(tokens * e.outputs);
    const auto xs = d.up(x);
    multiply(d.exec, weight, stacked<teal>{sections, 4}, input(xs.data(), tokens, e.inputs),
             output(y.data(), tokens, e.outputs));
    const std::vector<float> got = d.down(y);
    for (const section<teal>& s : sections)  // the last shares what was arranged for the third
      CHECK(outside(packed, s.keep, x, got, tokens - 1, s.first, s.last) == 0);
  }
}

// Many channels and few outputs: splits, the last of them shorter.
TEMPLATE_TEST_CASE("cuda: splits of the channels are added in order", "", channel_major<half>,
                   channel_major<q4_1>, (n_of_m<std::int8_t, 2, 4>), (channel_bitmap<half, 2, 4>)) {
  using F = TestType;
  device d;
  const extents e{130, 2900};
  const std::vector<float> w = normal(e.outputs * e.inputs, 25);
  const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto weight = cuda::to_device(d.exec, packed);
  for (const std::size_t tokens : {9, 33, 129}) {
    const std::vector<float> x = normal(tokens * e.inputs, 26);
    auto y = d.exec.allocate<float>(tokens * e.outputs);
    const auto xs = d.up(x);
    std::vector<float> got[2];
    for (std::vector<float>& run : got) {
      multiply(d.exec, weight, keep, input(xs.data(), tokens, e.inputs),
               output(y.data(), tokens, e.outputs));
      run = d.down(y);
    }
    CHECK(got[0] == got[1]);
    CHECK(outside(packed, keep, x, got[0], tokens - 1, 0, e.outputs) == 0);
  }
}

TEST_CASE("cuda: rows that begin anywhere are multiplied on tensor cores") {
  device d;
  const extents e{40, 64};
  const std::vector<float> w = normal(e.outputs * e.inputs, 27), x = normal(9 * e.inputs, 28);
  const auto packed =
      pack<row_major<half>>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto weight = cuda::to_device(d.exec, packed);
  auto moved = d.exec.allocate<half>(e.outputs * e.inputs + 1);
  cuda::copy(d.exec,
             vector_view<const half>(reinterpret_cast<const half*>(packed.storage_view().data()),
                                     e.outputs * e.inputs),
             vector_view<half, device_space>(moved.data() + 1, e.outputs * e.inputs));
  const auto xs = d.up(x);
  auto y = d.exec.allocate<float>(9 * e.outputs), again = d.exec.allocate<float>(9 * e.outputs);
  multiply(d.exec, weight, keep, input(xs.data(), 9, e.inputs), output(y.data(), 9, e.outputs));
  multiply(d.exec,
           row_major<half>::make_view<device_space>(
               reinterpret_cast<const std::byte*>(moved.data() + 1), e),
           keep, input(xs.data(), 9, e.inputs), output(again.data(), 9, e.outputs));
  CHECK(d.down(y) == d.down(again));
}

TEMPLATE_TEST_CASE("cuda: NaN and infinity reach their token's results alone", "",
                   channel_major<bfloat16>, channel_major<q8_0>, (n_of_m<std::int8_t, 4, 8>)) {
  using F = TestType;
  device d;
  const extents e{33, 100};
  const std::size_t tokens = 12;
  std::vector<float> w = normal(e.outputs * e.inputs, 29), x = normal(tokens * e.inputs, 30);
  for (float& v : w) v = std::fabs(v) + 0.5f;
  x[3 * e.inputs + 99] = std::numeric_limits<float>::quiet_NaN();
  x[5 * e.inputs + 98] = std::numeric_limits<float>::infinity();
  x[7 * e.inputs + 97] = std::numeric_limits<float>::infinity();  // skipped
  const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto weight = cuda::to_device(d.exec, packed);
  const auto xs = d.up(x);
  std::vector<float> scale(e.inputs, 1.0f);
  scale[97] = 0.0f;
  const auto scales = d.up(scale);
  auto y = d.exec.allocate<float>(tokens * e.outputs);
  multiply(d.exec, weight, sparsifier{column_scaled{scales.data()}, above{0.1f}},
           input(xs.data(), tokens, e.inputs), output(y.data(), tokens, e.outputs));
  const std::vector<float> got = d.down(y);
  std::size_t nan = 0, infinite = 0, other = 0;
  for (std::size_t o = 0; o < e.outputs; ++o) {
    nan += std::isnan(got[3 * e.outputs + o]);
    infinite += got[5 * e.outputs + o] == std::numeric_limits<float>::infinity();
    for (const std::size_t t : {2, 4, 6, 8, 11}) other += !is_finite(got[t * e.outputs + o]);
  }
  // A pruned weight of that channel reaches nothing, and infinity times 0 is NaN.
  if constexpr (!std::same_as<typename F::element, std::int8_t>) {
    CHECK(nan == e.outputs);
    CHECK(infinite == e.outputs);
  }
  CHECK(nan > 0);
  CHECK(other == 0);
}

TEST_CASE("cuda: more tokens than a grid's second dimension has take turns on tensor cores") {
  device d;
  const extents e{32, 32};
  const std::size_t first = 32768, tokens = first + 140;
  const auto weight = d.pack<channel_major<half>>(normal(e.outputs * e.inputs, 31), e);
  const auto xs = d.up(normal(tokens * e.inputs, 32));
  auto y = d.exec.allocate<float>(tokens * e.outputs),
       few = d.exec.allocate<float>(140 * e.outputs);
  multiply(d.exec, weight, input(xs.data(), tokens, e.inputs), output(y.data(), tokens, e.outputs));
  multiply(d.exec, weight, input(xs.data() + first * e.inputs, 140, e.inputs),
           output(few.data(), 140, e.outputs));
  const std::vector<float> all = d.down(y), last = d.down(few);
  CHECK(std::vector<float>(all.end() - static_cast<std::ptrdiff_t>(last.size()), all.end()) ==
        last);
}
