// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 2, calibrate: what was observed at each site, and a wanted sparsity, become thresholds.
#pragma once

#include <concepts>
#include <cstddef>
#include <vector>

#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The inputs of one projection, observed. Projections that read the same tensor (q, k, v) share a
// histogram; the pointer is borrowed.
struct site_observation {
  site where;
  extents shape;
  const histogram* values = nullptr;
};

// Semantics: decides a site's sparsity from all the observations. The result has one share in
// [0, 1) for each observation, in their order.
template <class C>
concept calibrator = requires(const C& c, const std::vector<site_observation>& seen) {
  { c.allocate(seen) } -> std::same_as<std::vector<double>>;
  { c.method() } -> std::convertible_to<std::string>;
  { c.target() } -> std::convertible_to<double>;
};

// A threshold for each site: the quantile of what was observed there, at the sparsity that `how`
// allocates. The model's name and hash and the number of tokens are left for the caller to set.
// Throws value_error when a sparsity is outside [0, 1), and when a histogram is empty or holds NaN
// or infinities; the message names the site. Throws shape_error when the calibrator does not give
// one sparsity for each site.
template <calibrator C>
[[nodiscard]] threshold_table calibrate(const C& how, const std::vector<site_observation>& seen) {
  const std::vector<double> shares = how.allocate(seen);
  require<shape_error>(shares.size() == seen.size(), "calibrate: the calibrator gave ",
                       shares.size(), " sparsities for ", seen.size(), " sites");
  threshold_table table;
  table.method = how.method();
  table.target_sparsity = how.target();
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const site_observation& s = seen[i];
    require<value_error>(s.values != nullptr && s.values->count() != 0, "calibrate: layer ",
                         s.where.layer, " ", s.where.projection, " has observed nothing");
    require<value_error>(s.values->non_finite() == 0, "calibrate: layer ", s.where.layer, " ",
                         s.where.projection, " has observed ", s.values->non_finite(),
                         " NaN or infinite activations");
    require<value_error>(shares[i] >= 0.0 && shares[i] < 1.0, "calibrate: layer ", s.where.layer,
                         " ", s.where.projection, ": the sparsity must be in [0, 1), got ",
                         shares[i]);
    // Sparsity 0 means exactly dense: |x| <= 0 would still skip zeros, which changes nothing.
    const float threshold = shares[i] == 0.0 ? 0.0f : s.values->quantile(shares[i]);
    table.add({s.where, s.shape, shares[i], threshold});
  }
  return table;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
