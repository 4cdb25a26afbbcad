// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One level for a whole model: a channel is skipped where |x| times its site's harm is at most the
// level, which is the same for all sites. So what is skipped last does as much harm for what it
// saves wherever it is, and sites divide the sparsity by themselves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Shares under one common level of harm. Models calibrator.
struct one_level {
  // No site skips more than this share.
  static constexpr double most_of_a_site = 0.95;

  std::string how;      // where the harms are from, for the table
  double sparsity = 0;  // of all the weights calibrated for, in [0, most_of_a_site)
  // What skipping an input of |x| = 1 does at each site, in proportion to what it saves, in the
  // order of the observations; above 0. With the second derivatives of a loss, its squared gradient
  // by the weight's outputs, the level is the square root of the loss a saved weight costs.
  std::vector<double> harms;

  // The level at which the sites together skip `sparsity` of their weights, as shares of what was
  // seen. Throws value_error for a sparsity out of its range, a harm that is not above 0 and
  // finite, and a site that has observed nothing; shape_error for another number of harms.
  [[nodiscard]] std::vector<double> allocate(const std::vector<site_observation>& seen) const {
    require<value_error>(sparsity >= 0.0 && sparsity < most_of_a_site,
                         "one level: a sparsity in [0, ", most_of_a_site, ") expected, got ",
                         sparsity);
    require<shape_error>(harms.size() == seen.size(), "one level: ", seen.size(),
                         " harms expected, got ", harms.size());
    double highest = 0;  // level at which every site skips all it may
    for (std::size_t i = 0; i < seen.size(); ++i) {
      require<value_error>(harms[i] > 0.0 && is_finite(harms[i]), "one level: layer ",
                           seen[i].where.layer, " ", seen[i].where.projection,
                           ": a harm above 0 expected, got ", harms[i]);
      require<value_error>(seen[i].values != nullptr && seen[i].values->count() != 0,
                           "one level: layer ", seen[i].where.layer, " ", seen[i].where.projection,
                           " has observed nothing");
      highest = std::max(highest, static_cast<double>(seen[i].values->max()) * harms[i]);
    }
    if (sparsity == 0.0) return std::vector<double>(seen.size(), 0.0);
    // Levels span many powers of ten, so their logarithm is halved.
    double low = std::log(highest) - 60, high = std::log(highest);
    std::vector<double> result;
    for (int halving = 0; halving < 50; ++halving) {
      const double middle = (low + high) / 2;
      result = shares(seen, std::exp(middle));
      double skipped = 0, all = 0;
      for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto size = static_cast<double>(seen[i].shape.outputs * seen[i].shape.inputs);
        skipped += size * result[i];
        all += size;
      }
      (skipped < sparsity * all ? low : high) = middle;
    }
    return result;
  }
  [[nodiscard]] const std::string& method() const noexcept { return how; }
  [[nodiscard]] double target() const noexcept { return sparsity; }

 private:
  [[nodiscard]] std::vector<double> shares(const std::vector<site_observation>& seen,
                                           double level) const {
    std::vector<double> result(seen.size());
    for (std::size_t i = 0; i < seen.size(); ++i)
      result[i] = std::min(seen[i].values->share_at_most(static_cast<float>(level / harms[i])),
                           most_of_a_site);
    return result;
  }
};

static_assert(calibrator<one_level>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
