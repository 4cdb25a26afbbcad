// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Several weights, each pruned to one of several patterns: which one each takes when all of them
// together may have a given size.
#pragma once

#include <cstddef>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0 {

// One way to store a weight: what it takes, in a unit of yours, and what it costs the result.
struct pattern_cost {
  double size = 0;
  double error = 0;
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The place, for each weight, of the choice that it takes: the sum of sizes is at most `size`, and
// that of errors small. Each begins with its smallest choice; then, again and again, the change
// that saves the most error for its size is made, as long as there is one that fits. The result is
// within one such change of the least error possible (the greedy walk along the convex hull of
// each weight's choices). Of equal gains the earlier weight goes first. Throws value_error for
// numbers that are not finite or below 0, a weight without choices, and a size that the smallest
// choices exceed.
[[nodiscard]] inline std::vector<std::size_t> choose_patterns(
    const std::vector<std::vector<pattern_cost>>& weights, double size) {
  std::vector<std::size_t> chosen(weights.size(), 0);
  double all = 0;
  for (std::size_t w = 0; w < weights.size(); ++w) {
    require<value_error>(!weights[w].empty(), "choose_patterns: weight ", w, " has no choices");
    for (std::size_t i = 0; i < weights[w].size(); ++i) {
      const pattern_cost &c = weights[w][i], &best = weights[w][chosen[w]];
      // Comparisons that are false for what is no number.
      require<value_error>(c.size >= 0 && c.error >= 0 && c.size <= 1e300 && c.error <= 1e300,
                           "choose_patterns: sizes and errors of at least 0 expected, got ", c.size,
                           " and ", c.error, " for weight ", w);
      if (c.size < best.size || (c.size == best.size && c.error < best.error)) chosen[w] = i;
    }
    all += weights[w][chosen[w]].size;
  }
  require<value_error>(all <= size, "choose_patterns: a size of at least ", all, " expected, got ",
                       size);
  for (;;) {
    std::size_t which = weights.size(), to = 0;
    double best = 0;
    for (std::size_t w = 0; w < weights.size(); ++w) {
      const pattern_cost& now = weights[w][chosen[w]];
      for (std::size_t i = 0; i < weights[w].size(); ++i) {
        const double more = weights[w][i].size - now.size, gain = now.error - weights[w][i].error;
        if (!(more > 0) || !(gain > 0) || all + more > size || gain / more <= best) continue;
        best = gain / more;
        which = w;
        to = i;
      }
    }
    if (which == weights.size()) return chosen;
    all += weights[which][to].size - weights[which][chosen[which]].size;
    chosen[which] = to;
  }
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
