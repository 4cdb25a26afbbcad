// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sparsities that were decided elsewhere, site by site: by a search (greedy.hpp), a profile
// (profile.hpp), or the user.
#pragma once

#include <string>
#include <vector>

#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// What one site is to skip.
struct site_share {
  site where;
  double sparsity = 0;  // in [0, 1)
};

// An allocation that was made elsewhere: by a search, or read from a file. Models calibrator.
struct allocated {
  std::string how;                 // what decided, for the table
  double sparsity = 0;             // of the whole model
  std::vector<site_share> shares;  // every site that will be calibrated

  // The share of each site, in the order of `seen`. Throws format_error for a site without one.
  [[nodiscard]] std::vector<double> allocate(const std::vector<site_observation>& seen) const {
    std::vector<double> result;
    for (const site_observation& s : seen) {
      const site_share* found = nullptr;
      for (const site_share& share : shares)
        if (share.where == s.where) found = &share;
      require<format_error>(found != nullptr, "allocation '", how, "': nothing for layer ",
                            s.where.layer, " ", s.where.projection);
      result.push_back(found->sparsity);
    }
    return result;
  }
  [[nodiscard]] const std::string& method() const noexcept { return how; }
  [[nodiscard]] double target() const noexcept { return sparsity; }
};

static_assert(calibrator<allocated>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
