// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Masks and packed weights of the device are the host's, bit for bit.

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"
#include "sparsellm/cuda/prune.cuh"
#include "sparsellm/prune/saliency.hpp"

using namespace sparsellm;

namespace {

// With ties, zeros of both signs and denormals.
std::vector<float> awkward(extents e, unsigned seed) {
  std::vector<float> w = normal(e.outputs * e.inputs, seed);
  for (std::size_t i = 0; i < w.size(); i += 7) w[i] = i % 2 == 0 ? 0.5f : -0.5f;
  for (std::size_t i = 3; i < w.size(); i += 11) w[i] = i % 2 == 0 ? 0.0f : -0.0f;
  for (std::size_t i = 5; i < w.size(); i += 13) w[i] = 1e-40f;
  return w;
}

matrix_view<const float, device_space> matrix(const cuda::device_buffer<float>& b, extents e) {
  return {b.data(), e.outputs, e.inputs};
}

bool same(const weight_mask& a, const weight_mask& b) {
  return std::memcmp(a.row(0), b.row(0), weight_mask::words_of(a.shape()) * 8) == 0;
}

}  // namespace

TEST_CASE("cuda: masks are the host's for every pattern and saliency") {
  device d;
  for (const extents e : {extents{1, 1}, {5, 70}, {9, 129}, {12, 256}}) {
    const std::vector<float> w = awkward(e, 41);
    const matrix_view<const float> weight(w.data(), e.outputs, e.inputs);
    std::vector<double> norms(e.inputs);
    for (std::size_t c = 0; c < e.inputs; ++c) norms[c] = 0.25 + static_cast<double>(c % 5);
    const std::vector<float> scale = wanda_scale(norms);
    const auto there = d.up(w), scales = d.up(scale);
    std::vector<float> scores(w.size());
    const matrix_view<float> out(scores.data(), e.outputs, e.inputs);
    for (const nm_pattern p : {nm_pattern{2, 4}, {4, 8}, {1, 2}, {3, 7}, {13, 32}}) {
      INFO(e.outputs << "x" << e.inputs << ", " << p.n << ":" << p.m);
      score_weights(d.host, weight, sparsellm::scaled_magnitude{scale.data()}, out);
      const weight_mask wanted = best_of_groups(d.host, p, matrix_view<const float>(out));
      const cuda::device_mask got =
          cuda::best_of_groups(d.exec, p, matrix(there, e), cuda::scaled_magnitude{scales.data()});
      CHECK(same(got.on_host(d.exec), wanted));

      // RIA's factors, as ria makes them.
      std::vector<double> rows(e.outputs, 0.0), columns(e.inputs, 0.0);
      for (std::size_t r = 0; r < e.outputs; ++r)
        for (std::size_t c = 0; c < e.inputs; ++c) {
          rows[r] += std::fabs(weight(r, c));
          columns[c] += std::fabs(weight(r, c));
        }
      std::vector<float> row(e.outputs), column(e.inputs), power(e.inputs);
      for (std::size_t r = 0; r < e.outputs; ++r)
        row[r] = rows[r] > 0 ? static_cast<float>(1.0 / rows[r]) : 0.0f;
      for (std::size_t c = 0; c < e.inputs; ++c) {
        column[c] = columns[c] > 0 ? static_cast<float>(1.0 / columns[c]) : 0.0f;
        power[c] = static_cast<float>(std::pow(norms[c], 0.5));
      }
      const ria host(d.host, weight, norms);
      score_weights(d.host, weight, host, out);
      const auto r = d.up(row), c = d.up(column), n = d.up(power);
      CHECK(same(cuda::best_of_groups(d.exec, p, matrix(there, e),
                                      cuda::ria_saliency{r.data(), c.data(), n.data()})
                     .on_host(d.exec),
                 best_of_groups(d.host, p, matrix_view<const float>(out))));
    }
  }
}

TEMPLATE_TEST_CASE("cuda: packing gives the host's bytes", "", (n_of_m<bfloat16, 2, 4>),
                   (n_of_m<half, 4, 8>), (n_of_m<float, 1, 3>), (n_of_m<std::int8_t, 2, 4>),
                   (n_of_m<std::int8_t, 5, 7>)) {
  using F = TestType;
  device d;
  for (const extents e : {extents{1, 1}, {5, 70}, {9, 129}, {16, 256}}) {
    INFO(e.outputs << "x" << e.inputs);
    const std::vector<float> w = awkward(e, 43);
    const auto there = d.up(w);
    const cuda::device_mask mask =
        cuda::best_of_groups(d.exec, F::pattern, matrix(there, e), cuda::scaled_magnitude{});
    const auto got = cuda::pack_masked<F>(d.exec, matrix(there, e), mask);
    const auto wanted = pack_masked<F>(
        d.host, e,
        [&](std::size_t r, vector_view<float> out) {
          for (std::size_t c = 0; c < e.inputs; ++c) out[c] = w[r * e.inputs + c];
        },
        mask.on_host(d.exec));
    std::vector<std::byte> bytes(F::bytes(e));
    cuda::copy(d.exec, vector_view<const std::byte, device_space>(got.view().data, bytes.size()),
               vector_view<std::byte>(bytes));
    CHECK(std::memcmp(bytes.data(), wanted.view().data, bytes.size()) == 0);
  }
}

TEST_CASE("cuda: bad weights and masks are refused") {
  device d;
  const extents e{2, 8};
  std::vector<float> w(16, 1.0f);
  w[11] = std::numeric_limits<float>::quiet_NaN();
  const auto bad = d.up(w);
  CHECK_SAYS(cuda::best_of_groups(d.exec, {2, 4}, matrix(bad, e), cuda::scaled_magnitude{}),
             value_error, "weight [1, 3]");
  CHECK_THROWS_AS(cuda::best_of_groups(d.exec, {4, 4}, matrix(bad, e), cuda::scaled_magnitude{}),
                  value_error);
  w[11] = 1e30f;
  const auto large = d.up(w);
  const cuda::device_mask mask =
      cuda::best_of_groups(d.exec, {2, 4}, matrix(large, e), cuda::scaled_magnitude{});
  using F = n_of_m<half, 2, 4>;
  using G = n_of_m<half, 1, 4>;
  CHECK_SAYS(cuda::pack_masked<F>(d.exec, matrix(large, e), mask), value_error, "weight [1, 3]");
  CHECK_SAYS(cuda::pack_masked<G>(d.exec, matrix(large, e), mask), value_error, "1 of every 4");
  CHECK_THROWS_AS(cuda::pack_masked<F>(d.exec, matrix(large, {4, 4}), mask), shape_error);
}
