// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/cuda/quantile.cuh"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "catch2_any.hpp"
#include "cuda/device.cuh"

// CUB brings a ::cuda and a ::half of its own.
namespace sparsellm {

TEST_CASE("cuda: exact quantiles are order statistics") {
  device d;
  for (const std::size_t rows : {1, 3, 40})
    for (const std::size_t cols : {1, 17, 150}) {
      std::vector<float> x = normal(rows * cols, 61);
      for (std::size_t i = 0; i < x.size(); i += 5) x[i] = i % 2 == 0 ? 0.5f : -0.5f;
      for (std::size_t i = 1; i < x.size(); i += 9) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
      for (std::size_t i = 2; i < x.size(); i += 11) x[i] = 1e-41f;
      for (std::size_t i = 3; i < x.size(); i += 31) x[i] = -3e38f;
      const auto there = d.up(x);
      // Rows that lie apart: the last column is not theirs.
      const std::size_t width = cols > 1 ? cols - 1 : 1;
      std::vector<float> sorted;
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < width; ++c) sorted.push_back(std::fabs(x[r * cols + c]));
      std::sort(sorted.begin(), sorted.end());
      for (const double q : {0.0, 0.01, 0.25, 0.4, 0.5, 0.9, 0.999, 1.0}) {
        INFO(rows << "x" << width << " at " << q);
        const float got = cuda::exact_quantile(d.exec, {there.data(), rows, width, cols}, q);
        const auto at_most =
            static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
        CHECK(got == (at_most == 0 ? 0.0f : sorted[at_most - 1]));
      }
    }
}

TEST_CASE("cuda: exact quantiles of nothing and of NaN are refused") {
  device d;
  const auto ones = d.up({1.0f, 1.0f});
  const matrix_view<const float, device_space> row(ones.data(), 1, 2);
  CHECK_THROWS_AS(cuda::exact_quantile(d.exec, row, 1.5), value_error);
  CHECK_THROWS_AS(cuda::exact_quantile(d.exec, row, std::nan("")), value_error);
  CHECK_THROWS_AS(cuda::exact_quantile(d.exec, {ones.data(), 0, 2}, 0.5), value_error);
  const auto bad = d.up({0.0f, std::numeric_limits<float>::quiet_NaN(), 0.0f,
                         -std::numeric_limits<float>::infinity()});
  CHECK_SAYS(cuda::exact_quantile(d.exec, {bad.data(), 2, 2}, 0.5), value_error,
             "2 of the values are NaN or infinite");
}

}  // namespace sparsellm
