// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Every format's product on the device against the double-precision reference: awkward sizes,
// skipped channels, batches, sections with borders anywhere, active sets.

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/core/replace_file.hpp"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/multiply/reference.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/row_major.hpp"

using namespace sparsellm;

namespace {

// Terms are added in chains of up to 128, in up to 8 warps and then block by block, of 128 channels
// at least; a quantised weight's scale and minimum are four roundings more.
double bound(std::size_t inputs) {
  const double n = 128 + 8 + static_cast<double>(inputs) / 128 + 8;
  return n * 0x1p-24 / (1 - n * 0x1p-24);
}

std::size_t outside(const std::vector<float>& y, const std::vector<double>& expected,
                    const std::vector<double>& magnitudes, double relative) {
  std::size_t wrong = 0;
  for (std::size_t o = 0; o < expected.size(); ++o)
    wrong += !(std::fabs(y[o] - expected[o]) <= relative * magnitudes[o]);
  return wrong;
}

}  // namespace

TEMPLATE_TEST_CASE("cuda products agree with the reference", "", row_major<float>, row_major<half>,
                   row_major<bfloat16>, panel<bfloat16>, channel_major<float>, channel_major<half>,
                   channel_major<bfloat16>, channel_major<q8_0>, channel_major<q4_0>,
                   channel_major<q4_1>, (channel_major<quantized<4, 128, quantization::affine>>),
                   (n_of_m<bfloat16, 2, 4>), (n_of_m<half, 4, 8>), (n_of_m<float, 2, 4>),
                   (n_of_m<std::int8_t, 2, 4>), (n_of_m<bfloat16, 1, 4>), (n_of_m<bfloat16, 6, 8>),
                   (n_of_m<half, 3, 7>), (n_of_m<std::int8_t, 1, 8>), (channel_bitmap<float, 2, 4>),
                   (channel_bitmap<bfloat16, 2, 4>), (channel_bitmap<half, 3, 7>),
                   (channel_bitmap<std::int8_t, 4, 8>)) {
  using F = TestType;
  static_assert(multiplies<cuda::executor, F>);
  device d;
  // The large sizes once, the small ones with several seeds.
  struct draw {
    extents shape;
    unsigned seed;
  };
  for (const auto& [e, seed] : {draw{{1, 1}, 3},
                                {{3, 31}, 3},
                                {{3, 31}, 13},
                                {{33, 64}, 3},
                                {{33, 64}, 13},
                                {{33, 64}, 23},
                                {{260, 65}, 3},
                                {{260, 65}, 13},
                                {{70, 577}, 3},
                                {{513, 1100}, 3}}) {
    INFO(F::name << " " << e.outputs << "x" << e.inputs << ", seed " << seed);
    const std::vector<float> w = normal(e.outputs * e.inputs, seed),
                             x = normal(8 * e.inputs, seed + 1);
    const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    const auto weight = cuda::to_device(d.exec, packed);
    const auto xs = d.up(x);
    auto y = d.exec.allocate<float>(8 * e.outputs), again = d.exec.allocate<float>(e.outputs);
    const vector_view<const float, device_space> x0(xs.data(), e.inputs);
    const vector_view<float, device_space> y0(y.data(), e.outputs);
    std::vector<double> expected(e.outputs), magnitudes(e.outputs);
    for (const float tau : {0.0f, 0.6745f, 100.0f}) {
      const sparsifier s{magnitude{}, above{tau}};
      const auto token = [&](std::size_t t) {
        return vector_view<const float>(&x[t * e.inputs], e.inputs);
      };
      reference_multiply(packed, s, token(0), expected, magnitudes);
      multiply(d.exec, weight, s, x0, y0);
      const std::vector<float> one = d.down(y, e.outputs);
      CHECK(outside(one, expected, magnitudes, bound(e.inputs)) == 0);

      active_set active(d.exec, e.inputs);
      multiply(d.exec, weight, s, x0, again.view(), active);
      const std::vector<float> listed = d.down(again);
      CHECK(std::memcmp(listed.data(), one.data(), e.outputs * sizeof(float)) == 0);

      for (const std::size_t tokens : {2, 3, 5, 8}) {
        multiply(d.exec, weight, s,
                 matrix_view<const float, device_space>(xs.data(), tokens, e.inputs),
                 matrix_view<float, device_space>(y.data(), tokens, e.outputs));
        const std::vector<float> batch = d.down(y, tokens * e.outputs);
        CHECK(std::memcmp(batch.data(), one.data(), e.outputs * sizeof(float)) == 0);
        reference_multiply(packed, s, token(tokens - 1), expected, magnitudes);
        const std::vector<float> last(
            batch.begin() + static_cast<std::ptrdiff_t>((tokens - 1) * e.outputs), batch.end());
        CHECK(outside(last, expected, magnitudes, bound(e.inputs)) == 0);
      }
    }
  }
}

TEMPLATE_TEST_CASE("cuda: sections skip on their own, borders anywhere", "", row_major<half>,
                   channel_major<bfloat16>, channel_major<q8_0>, channel_major<q4_1>) {
  using F = TestType;
  device d;
  const extents e{301, 200};
  const std::vector<float> w = normal(e.outputs * e.inputs, 5), x = normal(e.inputs, 6);
  const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto weight = cuda::to_device(d.exec, packed);
  const auto xs = d.up(x);
  auto y = d.exec.allocate<float>(e.outputs);
  const section<teal> sections[] = {{0, 101, {magnitude{}, above{0.3f}}},
                                    {101, 103, {magnitude{}, above{2.0f}}},
                                    {103, 301, {magnitude{}, above{0.9f}}}};
  multiply(d.exec, weight, stacked<teal>{sections, 3}, xs.view(), y.view());
  const std::vector<float> got = d.down(y);
  for (const section<teal>& s : sections) {
    std::vector<double> expected(e.outputs), magnitudes(e.outputs);
    reference_multiply(packed, s.keep, x, expected, magnitudes);
    for (std::size_t o = s.first; o < s.last; ++o) {
      INFO("output " << o);
      CHECK(std::fabs(got[o] - expected[o]) <= bound(e.inputs) * magnitudes[o]);
    }
  }
}

// No format reads a scale behind the last channel's: the launcher's checks would say so.
TEMPLATE_TEST_CASE("cuda: thresholds a channel are WINA's", "", row_major<bfloat16>,
                   channel_major<half>, channel_major<q4_1>, (n_of_m<bfloat16, 2, 4>),
                   (n_of_m<half, 4, 8>), (n_of_m<std::int8_t, 1, 8>),
                   (channel_bitmap<bfloat16, 2, 4>)) {
  using F = TestType;
  device d;
  const extents e{40, 300};
  const std::vector<float> w = normal(e.outputs * e.inputs, 7), x = normal(e.inputs, 8);
  std::vector<float> scale = normal(e.inputs, 9);
  for (float& s : scale) s = std::fabs(s);
  const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto weight = cuda::to_device(d.exec, packed);
  auto y = d.exec.allocate<float>(e.outputs);
  std::vector<double> expected(e.outputs), magnitudes(e.outputs);
  reference_multiply(packed, sparsifier{column_scaled{scale.data()}, above{0.4f}}, x, expected,
                     magnitudes);
  const auto scales = d.up(scale);
  multiply(d.exec, weight, sparsifier{column_scaled{scales.data()}, above{0.4f}}, d.up(x).view(),
           y.view());
  CHECK(outside(d.down(y), expected, magnitudes, bound(e.inputs)) == 0);
}

TEST_CASE("cuda: NaN reaches the result") {
  device d;
  const extents e{40, 300};
  const std::vector<float> w = normal(e.outputs * e.inputs, 7);
  std::vector<float> x = normal(e.inputs, 8);
  x[299] = std::numeric_limits<float>::quiet_NaN();
  const auto weight = d.pack<channel_major<half>>(w, e);
  auto y = d.exec.allocate<float>(e.outputs);
  multiply(d.exec, weight, sparsifier{magnitude{}, above{100.0f}}, d.up(x).view(), y.view());
  for (const float v : d.down(y)) CHECK(std::isnan(v));
}

TEST_CASE("cuda: wrong shapes are refused") {
  device d;
  const std::vector<float> w(6, 1.0f);
  const auto weight = cuda::to_device(
      d.exec, pack<channel_major<float>>(d.host, matrix_view<const float>(w.data(), 2, 3)));
  auto x = d.exec.allocate<float>(4), y = d.exec.allocate<float>(2);
  CHECK_THROWS_AS(multiply(d.exec, weight, x.view(), y.view()), shape_error);
}

TEST_CASE("cuda: a weight or floats that lie beside their alignment are refused") {
  device d;
  const extents e{64, 32};
  auto bytes = d.exec.allocate<std::byte>(storage_bytes<channel_major<half>>(e) + 64);
  auto x = d.exec.allocate<float>(e.inputs + 1), y = d.exec.allocate<float>(e.outputs);
  const vector_view<const float, device_space> xs(x.data(), e.inputs);
  const std::byte* const beside = bytes.data() + 16;
  CHECK_SAYS((view_of<channel_major<half>>(
                 vector_view<const std::byte, device_space>(beside, bytes.size() - 16), e)),
             value_error, "bytes aligned to 64 expected, got an address 16 past");
  CHECK_SAYS(
      multiply(d.exec, channel_major<half>::make_view<device_space>(beside, e), xs, y.view()),
      value_error, "a packed weight aligned to 64 bytes expected, got an address 16 past");
  CHECK_SAYS(
      multiply(d.exec, row_major<half>::make_view<device_space>(beside + 1, e), xs, y.view()),
      value_error, "a row_major weight aligned to 2 bytes expected, got an address 1 past");
  const vector_view<const float, device_space> odd(
      reinterpret_cast<const float*>(reinterpret_cast<const std::byte*>(x.data()) + 1), e.inputs);
  CHECK_SAYS(
      multiply(d.exec, row_major<half>::make_view<device_space>(bytes.data(), e), odd, y.view()),
      value_error, "x aligned to 4 bytes expected, got an address 1 past");
}

namespace {

template <class... F>
std::string cells() {
  std::string text;
  ((text += multiplies<cuda::executor, F> ? " yes |" : " no |"), ...);
  return text;
}

template <template <class> class Format>
std::string three(const std::string& name) {
  return "| `" + name + "` |" + cells<Format<float>, Format<half>, Format<bfloat16>>() +
         " - | - |\n";
}

}  // namespace

TEST_CASE("docs: the support matrix is true of CUDA") {
  const std::string table =
      "\nOn `cuda::executor`, one token and batches. Written by `test/cuda/multiply_test.cu`.\n\n"
      "| format | float | half | bfloat16 | 8 bits | 4 bits |\n|---|---|---|---|---|---|\n" +
      three<row_major>("row_major") + three<panel>("panel") +
      three<channel_major>("channel_major") + "| `quantized`, any block | - | - | - |" +
      cells<channel_major<quantized<8>>, channel_major<quantized<4>>>() + "\n" +
      "| `n_of_m`, any N and M |" +
      cells<n_of_m<float, 2, 4>, n_of_m<half, 4, 8>, n_of_m<bfloat16, 2, 3>,
            n_of_m<std::int8_t, 2, 4>>() +
      " - |\n| `channel_bitmap` |" +
      cells<channel_bitmap<float, 2, 4>, channel_bitmap<half, 4, 8>, channel_bitmap<bfloat16, 2, 3>,
            channel_bitmap<std::int8_t, 2, 4>>() +
      " - |\n";
  const std::string file = read_file(std::string(SPARSELLM_SOURCE_DIR) + "/docs/support-matrix.md");
  REQUIRE(file.size() > table.size());
  CHECK(file.substr(file.size() - table.size()) == table);
}
