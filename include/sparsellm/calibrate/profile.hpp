// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// An allocation that needs no search: how TEAL's greedy search divides a wanted sparsity between
// the seven projections of Llama-2-7B, on average over its 32 layers. o and down bear more than the
// mean, up less, in every model TEAL has published.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

// The profile at a position in [0, 1]: a sparsity for each projection.
namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::llama_profile {

// In the order of the columns below.
inline constexpr std::array<std::string_view, 7> projections{"q",    "k",  "v",   "o",
                                                             "gate", "up", "down"};
// The seven sparsities at one position.
struct knot {
  double at;
  std::array<double, 7> sparsity;
};
// Means over the layers of the published allocations (TEAL's repository, models/Llama-2-7B/lookup,
// MIT licence) nearest to each sparsity; straight lines between, and to nothing and everything.
inline constexpr std::array<knot, 6> knots{{
    {0.00, {}},
    {0.25, {0.2469, 0.3141, 0.2359, 0.3984, 0.1953, 0.1593, 0.3169}},
    {0.40, {0.4031, 0.4484, 0.3844, 0.5656, 0.3500, 0.2988, 0.4843}},
    {0.50, {0.4984, 0.5297, 0.4859, 0.6500, 0.4547, 0.4047, 0.5866}},
    {0.65, {0.6312, 0.6687, 0.6391, 0.7469, 0.6157, 0.5744, 0.7314}},
    {1.00, {1, 1, 1, 1, 1, 1, 1}},
}};

// Of projection 0 to 6 at a position in [0, 1].
[[nodiscard]] inline double sparsity(double at, std::size_t projection) noexcept {
  std::size_t k = 1;
  while (k + 1 < knots.size() && at > knots[k].at) ++k;
  const knot &a = knots[k - 1], &b = knots[k];
  const double share = (at - a.at) / (b.at - a.at);
  return a.sparsity[projection] + share * (b.sparsity[projection] - a.sparsity[projection]);
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::llama_profile

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Every layer gets the same seven sparsities, interpolated between the published allocations above.
// Models calibrator.
struct profile {
  double sparsity = 0.5;  // of all the weights calibrated for, in [0, 1)

  // The profile moved along until the sites together skip `sparsity` of their weights. Throws
  // value_error for a sparsity outside [0, 1) and for projections that Llama does not have.
  [[nodiscard]] std::vector<double> allocate(const std::vector<site_observation>& seen) const {
    require<value_error>(sparsity >= 0.0 && sparsity < 1.0,
                         "profile: the sparsity must be in [0, 1), got ", sparsity);
    std::vector<std::size_t> projection;
    projection.reserve(seen.size());
    for (const site_observation& s : seen) projection.push_back(index_of(s.where.projection));
    return shares(projection, seen);
  }
  [[nodiscard]] std::string method() const { return "profile"; }
  [[nodiscard]] double target() const noexcept { return sparsity; }

 private:
  [[nodiscard]] static std::size_t index_of(const std::string& name) {
    const auto& all = detail::llama_profile::projections;
    const auto at = std::find(all.begin(), all.end(), name);
    require<value_error>(at != all.end(),
                         "profile: the projections of a Llama are q, k, v, o, gate, up and down, "
                         "got '",
                         name, "'");
    return static_cast<std::size_t>(at - all.begin());
  }

  [[nodiscard]] std::vector<double> shares(const std::vector<std::size_t>& projection,
                                           const std::vector<site_observation>& seen) const {
    std::vector<double> result(seen.size());
    double low = 0, high = 1;
    for (int halving = 0; halving < 50; ++halving) {
      const double middle = (low + high) / 2;
      double skipped = 0, all = 0;
      for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto size = static_cast<double>(seen[i].shape.outputs * seen[i].shape.inputs);
        result[i] = detail::llama_profile::sparsity(middle, projection[i]);
        skipped += size * result[i];
        all += size;
      }
      (skipped < sparsity * all ? low : high) = middle;
    }
    return result;
  }
};

static_assert(calibrator<profile>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
