// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which scores stay. A pointwise selector decides each channel on its own, so the decision can be
// fused into the multiplication; any other needs to see all scores first.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0 {

// Keeps scores strictly greater than tau, as TEAL does. A NaN score is kept, so that NaN reaches
// the result instead of being dropped in silence.
struct above {
  float tau = 0.0f;
  // Whether a channel of this score stays.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE bool keeps(float score) const noexcept {
    return !(score <= tau);
  }
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Semantics: select(scores [n], keep [n]) sets keep[i] to 1 for scores that stay and 0 for others.
template <class S>
concept selector =
    requires(const S& s, vector_view<const float> scores, vector_view<std::uint8_t> keep) {
      { select(s, scores, keep) };
    };

// Semantics: keeps(score) alone decides, and select() agrees with it.
template <class S>
concept pointwise_selector = requires(const S& s, float score) {
  { s.keeps(score) } noexcept -> std::same_as<bool>;
};

// As the selector decides: keep [n] from scores [n], the same n. Allocates nothing.
template <pointwise_selector S>
void select(const S& s, vector_view<const float> scores, vector_view<std::uint8_t> keep) {
  for (std::size_t i = 0; i < scores.size(); ++i) keep[i] = s.keeps(scores[i]) ? 1 : 0;
}

// Keeps exactly min(k, n) scores, the largest; ties keep the lowest index; NaN counts as largest.
struct top_k {
  std::size_t k = 0;
};

// The same for top_k. Allocates [n] indices. Throws shape_error when sizes differ.
inline void select(const top_k& s, vector_view<const float> scores,
                   vector_view<std::uint8_t> keep) {
  require<shape_error>(scores.size() == keep.size(), "top_k: ", scores.size(), " scores and ",
                       keep.size(), " flags");
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto first = [&](std::uint32_t a, std::uint32_t b) {
    const bool a_nan = scores[a] != scores[a], b_nan = scores[b] != scores[b];
    if (a_nan != b_nan) return a_nan;
    if (!a_nan && scores[a] != scores[b]) return scores[a] > scores[b];
    return a < b;
  };
  const std::size_t k = std::min(s.k, scores.size());
  if (k < order.size())
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                     first);
  std::fill(keep.begin(), keep.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < k; ++i) keep[order[i]] = 1;
}

static_assert(pointwise_selector<above> && selector<above>);
static_assert(selector<top_k> && !pointwise_selector<top_k>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
