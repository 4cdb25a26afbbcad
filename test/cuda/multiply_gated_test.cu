// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cuda/multiply_gated.cuh"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/multiply/reference.hpp"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/quantized.hpp"

using namespace sparsellm;

// Sizes that halve into whole lanes, with tiles and half tiles to spare, and sizes that do not.
TEMPLATE_TEST_CASE("cuda: a gated product is the product and then the gate", "",
                   channel_major<float>, channel_major<bfloat16>, channel_major<q8_0>,
                   channel_major<q4_1>, (n_of_m<half, 2, 4>), (channel_bitmap<bfloat16, 2, 4>)) {
  using F = TestType;
  device d;
  for (const extents e : {extents{64, 200}, {256, 1100}, {768, 577}, {50, 70}}) {
    INFO(F::name << " " << e.outputs << "x" << e.inputs);
    const std::size_t hidden = e.outputs / 2;
    std::vector<float> w = normal(e.outputs * e.inputs, 81);
    for (float& v : w) v *= 0.05f;
    const std::vector<float> x = normal(20 * e.inputs, 82);
    const auto packed = pack<F>(d.host, matrix_view<const float>(w.data(), e.outputs, e.inputs));
    const auto weight = cuda::to_device(d.exec, packed);
    const auto xs = d.up(x);
    auto both = d.exec.allocate<float>(20 * e.outputs), h = d.exec.allocate<float>(20 * hidden),
         apart = d.exec.allocate<float>(20 * hidden);
    const section<teal> sections[] = {{0, hidden, {magnitude{}, above{0.4f}}},
                                      {hidden, e.outputs, {magnitude{}, above{0.9f}}}};
    const stacked<teal> s{sections, 2};
    for (const std::size_t tokens : {1, 2, 3, 8, 9, 20}) {
      const matrix_view<const float, device_space> in(xs.data(), tokens, e.inputs);
      const matrix_view<float, device_space> out(h.data(), tokens, hidden),
          y(both.data(), tokens, e.outputs), gated(apart.data(), tokens, hidden);
      multiply_gated(d.exec, weight, s, in, out);
      multiply(d.exec, weight, s, in, y);
      gate(d.exec, matrix_view<const float, device_space>(both.data(), tokens, hidden, e.outputs),
           matrix_view<const float, device_space>(both.data() + hidden, tokens, hidden, e.outputs),
           gated);
      CHECK(d.down(h, tokens * hidden) == d.down(apart, tokens * hidden));
    }
    // One token, and what the down projection will read.
    const vector_view<const float, device_space> x0(xs.data(), e.inputs);
    const vector_view<float, device_space> h0(h.data(), hidden);
    multiply_gated(d.exec, weight, s,
                   matrix_view<const float, device_space>(x0.data(), 1, e.inputs),
                   matrix_view<float, device_space>(apart.data(), 1, hidden));
    active_set active(d.exec, hidden);
    multiply_gated(d.exec, weight, s, x0, h0, teal{magnitude{}, above{0.01f}}, active);
    const std::vector<float> one = d.down(h, hidden);
    CHECK(one == d.down(apart, hidden));
    std::uint32_t count = 0, wanted_count = 0;
    cuda::copy(d.exec, vector_view<const std::uint32_t, device_space>(active.view().count, 1),
               vector_view<std::uint32_t>(&count, 1));
    for (const float v : one) wanted_count += std::fabs(v) > 0.01f ? 1 : 0;
    CHECK(count == wanted_count);
    multiply_gated(d.exec, weight, s,
                   matrix_view<const float, device_space>(xs.data(), 8, e.inputs),
                   matrix_view<float, device_space>(h.data(), 8, hidden));
    // The gate itself, of the last token.
    const vector_view<const float> last(&x[7 * e.inputs], e.inputs);
    std::vector<double> gates(e.outputs), ups(e.outputs), magnitudes(e.outputs);
    reference_multiply(packed, sections[0].keep, last, gates, magnitudes);
    reference_multiply(packed, sections[1].keep, last, ups, magnitudes);
    const std::vector<float> got = d.down(h, 8 * hidden);
    std::size_t wrong = 0;
    for (std::size_t o = 0; o < hidden; ++o) {
      const double wanted = gates[o] / (1 + std::exp(-gates[o])) * ups[hidden + o];
      wrong += !(std::fabs(got[7 * hidden + o] - wanted) <= 1e-4 * (1 + std::fabs(wanted)));
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("cuda: gated products of wrong shapes are refused") {
  device d;
  const extents e{64, 8};
  const auto weight = d.pack<channel_major<float>>(normal(e.outputs * e.inputs, 83), e);
  auto x = d.exec.allocate<float>(8), h = d.exec.allocate<float>(64);
  const section<keep_all> all{0, 64, {}}, half_of{0, 32, {}};
  const matrix_view<const float, device_space> in(x.data(), 1, 8);
  CHECK_THROWS_AS(multiply_gated(d.exec, weight, stacked<keep_all>{&all, 1}, in,
                                 matrix_view<float, device_space>(h.data(), 1, 64)),
                  shape_error);
  CHECK_THROWS_AS(multiply_gated(d.exec, weight, stacked<keep_all>{&half_of, 1}, in,
                                 matrix_view<float, device_space>(h.data(), 1, 32)),
                  shape_error);
  CHECK_THROWS_AS(gate(d.exec, in, in, matrix_view<float, device_space>(h.data(), 1, 5)),
                  shape_error);
}
