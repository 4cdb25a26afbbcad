// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Masks of the device are the host's, bit for bit.

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

TEST_CASE("cuda: bad saliencies and patterns are refused") {
  device d;
  const extents e{2, 8};
  std::vector<float> w(16, 1.0f);
  w[11] = std::numeric_limits<float>::quiet_NaN();
  const auto bad = d.up(w);
  CHECK_SAYS(cuda::best_of_groups(d.exec, {2, 4}, matrix(bad, e), cuda::scaled_magnitude{}),
             value_error, "weight [1, 3]");
  CHECK_THROWS_AS(cuda::best_of_groups(d.exec, {4, 4}, matrix(bad, e), cuda::scaled_magnitude{}),
                  value_error);
  auto scores = d.exec.allocate<float>(16);
  CHECK_THROWS_AS(cuda::score_weights(d.exec, matrix(bad, e), cuda::scaled_magnitude{},
                                      matrix_view<float, device_space>(scores.data(), 4, 4)),
                  shape_error);
}
