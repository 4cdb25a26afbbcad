// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A sparsifier turns x into the set of channels worth reading: a score and a selector, or any type
// of the user's that models the concept.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/score.hpp"
#include "sparsellm/sparsify/selector.hpp"

namespace sparsellm::inline v0 {

// sparsifier{magnitude{}, above{tau}}
template <activation_score Score, class Selector>
struct sparsifier {
  Score score;
  Selector select;

  // Whether x stays at this channel; where the selector is pointwise.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE bool keeps(float x,
                                                         std::size_t channel) const noexcept
  requires requires(const Selector& s, float v) { s.keeps(v); }
  {
    return select.keeps(score(x, channel));
  }
};
template <class Score, class Selector>
sparsifier(Score, Selector) -> sparsifier<Score, Selector>;

// Dense: every channel stays.
struct keep_all {
  // Always.
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE bool keeps(float, std::size_t) const noexcept {
    return true;
  }
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Semantics: keeps(x, channel) alone decides; multiply() may ask it anywhere, any number of times.
template <class S>
concept pointwise_sparsifier =
    std::is_trivially_copyable_v<S> && requires(const S& s, float x, std::size_t channel) {
      { s.keeps(x, channel) } noexcept -> std::same_as<bool>;
    };

// Semantics: list_active(s, x [inputs], out) fills `out` with the channels of x that s keeps,
// ascending. A sparsifier of your own that has to see all of x supplies it; sparsify() calls it.
template <class S>
concept activation_sparsifier =
    requires(const S& s, vector_view<const float> x, active_set<>& out) { list_active(s, x, out); };

// Lists the channels of x [inputs] that s keeps. `out` has room for x: sparsify() has checked.
// Allocates nothing.
template <pointwise_sparsifier S>
void list_active(const S& s, vector_view<const float> x, active_set<>& out) {
  out.clear();
  for (std::size_t c = 0; c < x.size(); ++c)
    if (s.keeps(x[c], c)) out.append(static_cast<std::uint32_t>(c), x[c]);
}

// The same for selectors that see all scores. Allocates.
template <activation_score Score, selector Selector>
requires(!pointwise_selector<Selector>)
void list_active(const sparsifier<Score, Selector>& s, vector_view<const float> x,
                 active_set<>& out) {
  std::vector<float> scores(x.size());
  std::vector<std::uint8_t> keep(x.size());
  for (std::size_t c = 0; c < x.size(); ++c) scores[c] = s.score(x[c], c);
  select(s.select, vector_view<const float>(scores), vector_view<std::uint8_t>(keep));
  out.clear();
  for (std::size_t c = 0; c < x.size(); ++c)
    if (keep[c] != 0) out.append(static_cast<std::uint32_t>(c), x[c]);
}

// TEAL's: skip every channel with |x| <= tau.
using teal = sparsifier<magnitude, above>;

static_assert(pointwise_sparsifier<teal> && activation_sparsifier<teal>);
static_assert(pointwise_sparsifier<keep_all> && activation_sparsifier<keep_all>);
static_assert(pointwise_sparsifier<sparsifier<column_scaled, above>>);
static_assert(activation_sparsifier<sparsifier<magnitude, top_k>>);
static_assert(!pointwise_sparsifier<sparsifier<magnitude, top_k>>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
