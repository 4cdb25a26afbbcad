// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Where an activation mostly is: what a channel that is skipped is taken for instead of 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The mean of those n - n / 2 of n values that vary the least among themselves: the least trimmed
// squares estimate of location (Rousseeuw, J. Am. Stat. Assoc. 79, 1984). Thresholds on |x -
// centre| instead of |x| are those of SCAP (arXiv 2412.07174), which centres at the mode. Of equals
// the lowest. Sorts the values; allocates 16 bytes for each. Throws shape_error for none,
// value_error for one that is not finite.
[[nodiscard]] inline float mean_of_nearest_half(vector_view<float> values) {
  require<shape_error>(!values.empty(), "mean_of_nearest_half: at least 1 value expected, got 0");
  for (const float v : values)
    require<value_error>(is_finite(v), "mean_of_nearest_half: finite values expected, got ", v);
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size(), half = n - n / 2;
  // About the median, so that squares do not cancel.
  const auto origin = static_cast<double>(values[n / 2]);
  std::vector<double> sums(n + 1, 0.0), squares(n + 1, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(values[i]) - origin;
    sums[i + 1] = sums[i] + v;
    squares[i + 1] = squares[i] + v * v;
  }
  const auto count = static_cast<double>(half);
  double least = 0, mean = 0;
  for (std::size_t first = 0; first + half <= n; ++first) {
    const double sum = sums[first + half] - sums[first];
    const double spread = squares[first + half] - squares[first] - sum * sum / count;
    if (first != 0 && spread >= least) continue;
    least = spread;
    mean = sum / count;
  }
  return static_cast<float>(origin + mean);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
