// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// E-Sparse's global naive shuffle (arXiv 2310.15929, section 3): channels are sorted by their mean
// score and distributed over the groups, so that channels of similar scores do not compete for the
// N places of one group.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/permute/channel_order.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// How global_shuffle() gives sorted channels to the groups, one channel to each group in a round.
// round_robin: every round goes from the first group to the last, as E-Sparse does
// (arXiv 2310.15929). zigzag: every second round goes from the last group to the first, as RIA does
// (ICLR 2024, "Plug-and-Play").
enum class dealing { round_robin, zigzag };

// The mean score of each channel over the rows of scores [rows, channels]: [channels], in double.
// NaN when there are no rows. Allocates what it returns.
[[nodiscard]] inline std::vector<double> mean_scores(matrix_view<const float> scores) {
  std::vector<double> mean(scores.cols(), 0.0);
  for (std::size_t r = 0; r < scores.rows(); ++r)
    for (std::size_t c = 0; c < scores.cols(); ++c) mean[c] += static_cast<double>(scores(r, c));
  for (double& m : mean) m /= static_cast<double>(scores.rows());
  return mean;
}

// An order of the channels of mean [channels] in groups of m; the last group may be short. Equal
// means keep their order. Throws value_error for m = 0 and for NaN. Allocates what it returns.
[[nodiscard]] inline channel_order global_shuffle(vector_view<const double> mean, std::size_t m,
                                                  dealing how = dealing::round_robin) {
  require<value_error>(m != 0, "global_shuffle: groups of at least 1 channel expected, got 0");
  for (std::size_t c = 0; c < mean.size(); ++c)
    require<value_error>(!is_nan(mean[c]), "global_shuffle: the mean score of channel ", c,
                         " is NaN");
  std::vector<std::uint32_t> sorted(mean.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  // std::stable_sort's order; libstdc++ 12's own uses what C++17 deprecates.
  std::sort(sorted.begin(), sorted.end(), [&](std::uint32_t a, std::uint32_t b) {
    return mean[a] != mean[b] ? mean[a] > mean[b] : a < b;
  });
  const std::size_t groups = (mean.size() + m - 1) / m;
  std::vector<std::uint32_t> at(mean.size());
  std::size_t next = 0;
  for (std::size_t slot = 0; slot < m; ++slot)
    for (std::size_t i = 0; i < groups; ++i) {
      const bool back = how == dealing::zigzag && slot % 2 != 0;
      const std::size_t place = (back ? groups - 1 - i : i) * m + slot;
      if (place < at.size()) at[place] = sorted[next++];
    }
  return channel_order(std::move(at));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
