// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Laws every selector keeps: flags are 0 or 1, the choice is repeatable, a kept score is never
// smaller than one that was dropped, and a pointwise selector's keeps() is what select() does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/sparsify/selector.hpp"

template <sparsellm::selector S>
void selector_laws(const S& s) {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> ties(0, 20);  // few values: many ties
  for (const std::size_t n : {0, 1, 2, 15, 16, 17, 100}) {
    std::vector<float> scores(n);
    for (float& x : scores) x = static_cast<float>(ties(random)) / 10;
    std::vector<std::uint8_t> keep(n, 7), again(n, 9);
    select(s, scores, keep);
    select(s, scores, again);
    CHECK(keep == again);
    float least_kept = 1e30f, most_dropped = -1e30f;
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(keep[i] <= 1);
      if (keep[i] != 0)
        least_kept = std::min(least_kept, scores[i]);
      else
        most_dropped = std::max(most_dropped, scores[i]);
      if constexpr (sparsellm::pointwise_selector<S>) CHECK(s.keeps(scores[i]) == (keep[i] != 0));
    }
    CHECK(most_dropped <= least_kept);
  }
}
