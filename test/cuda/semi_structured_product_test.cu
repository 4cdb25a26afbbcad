// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// 2:4 products on sparse tensor cores: every tile, awkward sizes, sections, against the reference.

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/multiply/reference.hpp"
#include "sparsellm/pack/n_of_m.hpp"

using namespace sparsellm;

namespace {

// Activations are rounded to T; products are exact, and a tensor core may cut what it adds to its
// sum off at 2^-23.
template <class T>
double bound(std::size_t inputs) {
  return unit_roundoff<T> + static_cast<double>(inputs) * 0x1p-23;
}

}  // namespace

TEMPLATE_TEST_CASE("cuda: 2:4 on tensor cores agrees with the reference", "", bfloat16, half) {
  using T = TestType;
  device d;
  for (const extents e : {extents{1, 4}, {70, 577}, {136, 256}, {300, 70}}) {
    const std::vector<float> w = normal(e.outputs * e.inputs, 21);
    const auto packed =
        pack<n_of_m<T, 2, 4>>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    const auto weight = cuda::to_device(d.exec, packed);
    for (const std::size_t tokens : {9, 17, 65, 129, 150}) {
      INFO(e.outputs << "x" << e.inputs << ", " << tokens << " tokens");
      const std::vector<float> x = normal(tokens * e.inputs, 22);
      const auto xs = d.up(x);
      auto y = d.exec.allocate<float>(tokens * e.outputs);
      const sparsifier s{magnitude{}, above{tokens == 17 ? 0.0f : 0.6745f}};
      multiply(d.exec, weight, s,
               matrix_view<const float, device_space>(xs.data(), tokens, e.inputs),
               matrix_view<float, device_space>(y.data(), tokens, e.outputs));
      const std::vector<float> got = d.down(y);
      std::vector<double> expected(e.outputs), magnitudes(e.outputs);
      std::size_t wrong = 0;
      for (const std::size_t t : {std::size_t{0}, std::size_t{7}, tokens / 2, tokens - 1}) {
        reference_multiply(packed, s, vector_view<const float>(&x[t * e.inputs], e.inputs),
                           expected, magnitudes);
        for (std::size_t o = 0; o < e.outputs; ++o)
          wrong += !(std::fabs(got[t * e.outputs + o] - expected[o]) <=
                     bound<T>(e.inputs) * magnitudes[o]);
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE(
    "cuda: sections on tensor cores have thresholds of their own, and NaN reaches the result") {
  device d;
  const extents e{301, 200};
  const std::size_t tokens = 12;
  const std::vector<float> w = normal(e.outputs * e.inputs, 23);
  std::vector<float> x = normal(tokens * e.inputs, 24);
  x[11 * e.inputs + 5] = std::numeric_limits<float>::quiet_NaN();
  const auto packed =
      pack<n_of_m<bfloat16, 2, 4>>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
  const auto weight = cuda::to_device(d.exec, packed);
  const auto xs = d.up(x);
  auto y = d.exec.allocate<float>(tokens * e.outputs);
  const section<teal> sections[] = {{0, 101, {magnitude{}, above{0.3f}}},
                                    {101, 103, {magnitude{}, above{2.0f}}},
                                    {103, 201, {magnitude{}, above{0.9f}}},
                                    {201, 301, {magnitude{}, above{0.9f}}}};
  multiply(d.exec, weight, stacked<teal>{sections, 4},
           matrix_view<const float, device_space>(xs.data(), tokens, e.inputs),
           matrix_view<float, device_space>(y.data(), tokens, e.outputs));
  const std::vector<float> got = d.down(y);
  for (const section<teal>& s : sections) {
    std::vector<double> expected(e.outputs), magnitudes(e.outputs);
    reference_multiply(packed, s.keep, vector_view<const float>(&x[3 * e.inputs], e.inputs),
                       expected, magnitudes);
    for (std::size_t o = s.first; o < s.last; ++o) {
      INFO("output " << o);
      CHECK(std::fabs(got[3 * e.outputs + o] - expected[o]) <=
            bound<bfloat16>(e.inputs) * magnitudes[o]);
    }
  }
  std::size_t nan = 0;
  for (std::size_t o = 0; o < e.outputs; ++o) nan += std::isnan(got[11 * e.outputs + o]) ? 1 : 0;
  CHECK(nan > 0);
}

TEST_CASE("cuda: more tokens than a grid's second dimension has take turns") {
  device d;
  const extents e{8, 64};
  const std::size_t tokens = 32768 + 40;
  const auto weight = d.pack<n_of_m<half, 2, 4>>(normal(e.outputs * e.inputs, 25), e);
  const auto xs = d.up(normal(tokens * e.inputs, 26));
  auto y = d.exec.allocate<float>(tokens * e.outputs), few = d.exec.allocate<float>(40 * e.outputs);
  multiply(d.exec, weight, matrix_view<const float, device_space>(xs.data(), tokens, e.inputs),
           matrix_view<float, device_space>(y.data(), tokens, e.outputs));
  multiply(d.exec, weight,
           matrix_view<const float, device_space>(xs.data() + 32768 * e.inputs, 40, e.inputs),
           matrix_view<float, device_space>(few.data(), 40, e.outputs));
  const std::vector<float> all = d.down(y), last = d.down(few);
  CHECK(std::vector<float>(all.end() - static_cast<std::ptrdiff_t>(last.size()), all.end()) ==
        last);
}
