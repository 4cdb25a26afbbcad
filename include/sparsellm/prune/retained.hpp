// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How much of a weight's saliency a mask keeps, and what an order of channels is worth: the share
// of the way from the plain mask to the one without groups (efficacy, as apex reports it).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// The sum over rows, added in order whatever the threads.
template <class E, class OfRow>
[[nodiscard]] double sum_rows(E& exec, std::size_t rows, const OfRow& of_row) {
  std::vector<double> sums(rows);
  exec.parallel_for(rows, [&](std::size_t r) { sums[r] = of_row(r); });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The sum of all scores [outputs, inputs]; the same bits for every number of threads. Waits;
// allocates a number per row.
template <host_executor E>
[[nodiscard]] double total_score(E& exec, matrix_view<const float> scores) {
  return detail::sum_rows(exec, scores.rows(), [&](std::size_t r) {
    double sum = 0;
    for (const float s : scores.row(r)) sum += static_cast<double>(s);
    return sum;
  });
}

// The sum of the scores [outputs, inputs] that the mask keeps; the same bits for every number of
// threads. Waits; allocates a number per row. Throws shape_error for a mask of another shape.
template <host_executor E>
[[nodiscard]] double retained_score(E& exec, matrix_view<const float> scores,
                                    const weight_mask& mask) {
  require<shape_error>(mask.shape() == extents{scores.rows(), scores.cols()},
                       "retained_score: a mask of ", scores.rows(), "x", scores.cols(),
                       " expected, got ", mask.shape().outputs, "x", mask.shape().inputs);
  return detail::sum_rows(exec, scores.rows(), [&](std::size_t r) {
    double sum = 0;
    for (std::size_t c = 0; c < scores.cols(); ++c)
      if (mask.keeps(r, c)) sum += static_cast<double>(scores(r, c));
    return sum;
  });
}

// The largest sum of scores [outputs, inputs] that a mask without groups can keep when each row
// keeps as many weights as under the pattern. Waits; allocates. Throws value_error for a pattern
// that is none.
template <host_executor E>
[[nodiscard]] double retained_without_groups(E& exec, nm_pattern p,
                                             matrix_view<const float> scores) {
  check(p);
  return detail::sum_rows(exec, scores.rows(), [&](std::size_t r) {
    std::vector<float> row(scores.row(r).begin(), scores.row(r).end());
    const auto middle = row.begin() + static_cast<std::ptrdiff_t>(p.kept(row.size()));
    const auto larger = [](float a, float b) { return a > b; };
    std::nth_element(row.begin(), middle, row.end(), larger);
    std::sort(row.begin(), middle, larger);  // an order of its own, for the sum's bits
    double sum = 0;
    for (auto s = row.begin(); s != middle; ++s) sum += static_cast<double>(*s);
    return sum;
  });
}

// What a weight's masks retain: all scores, those that the plain mask keeps, those kept after a
// shuffle, and retained_without_groups(). Sums of several weights may be added, for a whole model.
struct retention {
  double total = 0, plain = 0, shuffled = 0, without_groups = 0;

  // (shuffled − plain) / (without groups − plain); 0 when there is nothing to gain.
  [[nodiscard]] double efficacy() const noexcept {
    return without_groups > plain ? (shuffled - plain) / (without_groups - plain) : 0.0;
  }
  retention& operator+=(const retention& o) noexcept {
    total += o.total;
    plain += o.plain;
    shuffled += o.shuffled;
    without_groups += o.without_groups;
    return *this;
  }
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
