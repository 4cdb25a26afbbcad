// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Every site the same sparsity: TEAL's uniform setting (arXiv 2408.14690, section 4).
#pragma once

#include <string>
#include <vector>

#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The same sparsity for all sites. Models calibrator.
struct uniform {
  double sparsity = 0.5;  // in [0, 1)

  // Throws value_error for a sparsity outside [0, 1).
  [[nodiscard]] std::vector<double> allocate(const std::vector<site_observation>& seen) const {
    require<value_error>(sparsity >= 0.0 && sparsity < 1.0,
                         "uniform: the sparsity must be in [0, 1), got ", sparsity);
    return std::vector<double>(seen.size(), sparsity);
  }
  [[nodiscard]] std::string method() const { return "uniform"; }
  [[nodiscard]] double target() const noexcept { return sparsity; }
};

static_assert(calibrator<uniform>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
