// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 1, observe: activations go in row by row, small mergeable statistics come out.
#pragma once

#include <concepts>
#include <tuple>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Semantics: observe(row) adds one activation row x [channels]; a.merge(b) leaves a as if it had
// also seen every row that b saw. Merging is associative and commutative up to the rounding of
// floating-point sums, and exact for counts.
template <class O>
concept observer =
    std::movable<O> && requires(O& mine, const O& other, vector_view<const float> row) {
      { mine.observe(row) };
      { mine.merge(other) };
    };

// Feeds every row of x [rows, channels] to each observer and returns them:
//   auto [values, stats] = observe(x, histogram{}, channel_stats{channels});
template <observer... Os>
[[nodiscard]] std::tuple<Os...> observe(matrix_view<const float> x, Os... observers) {
  for (std::size_t r = 0; r < x.rows(); ++r) (observers.observe(x.row(r)), ...);
  return {std::move(observers)...};
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
