// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// TEAL's block-wise greedy allocation (arXiv 2408.14690, section 4; algorithm 1): from dense, raise
// one projection's sparsity at a time, by steps that each skip the same number of weights of the
// block, and always the one that hurts the block's output least.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A point of the search: the projections' sparsities and the block's error there.
struct greedy_step {
  std::vector<double> sparsity;
  double error = 0;
};

// The share of the block's weights that is skipped, in [0, 1): the mean of sparsity [projections],
// weighted by weights [projections], the numbers of weights of each.
[[nodiscard]] inline double block_sparsity(const std::vector<double>& sparsity,
                                           const std::vector<double>& weights) {
  double skipped = 0, all = 0;
  for (std::size_t p = 0; p < weights.size(); ++p) {
    skipped += weights[p] * sparsity[p];
    all += weights[p];
  }
  return skipped / all;
}

// One block's search. It is its own state: `path` can be stored and set again to go on.
struct greedy_search {
  std::vector<double> weights;    // of each projection
  double step = 0.003125;         // of the block's sparsity
  double most = 0.95;             // no projection beyond this
  std::vector<greedy_step> path;  // begins with dense

  // Throws value_error for no projections, weights that are not positive, a step outside (0, 1) or
  // a limit outside (0, 1).
  void check() const {
    require<value_error>(!weights.empty() && *std::min_element(weights.begin(), weights.end()) > 0,
                         "greedy: every projection needs a positive weight");
    require<value_error>(step > 0 && step < 1, "greedy: the step must be in (0, 1), got ", step);
    require<value_error>(most > 0 && most < 1, "greedy: the limit must be in (0, 1), got ", most);
  }

  // The block's sparsity now, in [0, 1).
  [[nodiscard]] double reached() const {
    return path.empty() ? 0.0 : block_sparsity(path.back().sparsity, weights);
  }

  // Goes on until the block's sparsity is at least `target` or every projection is at its limit.
  // error(sparsities, changed): the block's error with those, which differ from the path's last
  // point in projection `changed` alone; `took(changed)` is told of every step taken.
  template <class Error, class Took>
  void run(double target, const Error& error, const Took& took) {
    check();
    if (path.empty()) path.push_back({std::vector<double>(weights.size(), 0.0), 0.0});
    double all = 0;
    for (const double w : weights) all += w;
    while (reached() < target - 1e-9) {
      greedy_step best;
      std::size_t chosen = weights.size();
      for (std::size_t p = 0; p < weights.size(); ++p) {
        std::vector<double> tried = path.back().sparsity;
        tried[p] += step * all / weights[p];
        if (tried[p] > most) continue;
        const double e = error(tried, p);
        if (chosen == weights.size() || e < best.error) {
          best = {std::move(tried), e};
          chosen = p;
        }
      }
      if (chosen == weights.size()) return;
      path.push_back(std::move(best));
      took(chosen);
    }
  }

  // The point of the path whose sparsity is nearest to the wanted one.
  [[nodiscard]] const greedy_step& nearest(double wanted) const {
    return *std::min_element(path.begin(), path.end(),
                             [&](const greedy_step& a, const greedy_step& b) {
                               return std::fabs(block_sparsity(a.sparsity, weights) - wanted) <
                                      std::fabs(block_sparsity(b.sparsity, weights) - wanted);
                             });
  }
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
