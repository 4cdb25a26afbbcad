// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 3, sparsify: a score says how much an activation matters.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0 {

// Semantics: (x, channel) -> a score; larger matters more. NaN in, NaN out.
template <class S>
concept activation_score =
    std::is_trivially_copyable_v<S> && requires(const S& score, float x, std::size_t channel) {
      { score(x, channel) } noexcept -> std::convertible_to<float>;
    };

// |x|: TEAL (arXiv 2408.14690, section 3).
struct magnitude {
  SPARSELLM_HD SPARSELLM_INLINE float operator()(float x, std::size_t) const noexcept {
    return std::fabs(x);
  }
};

// |x| · scale[channel], scale [inputs] borrowed and at least 0, or null for 1. With scale[j] =
// ‖W_:,j‖₂ this is WINA's criterion (arXiv 2505.19427, section 3). Comparing the score with one tau
// is comparing |x| with a threshold tau / scale[channel] for each channel.
struct column_scaled {
  const float* scale;
  SPARSELLM_HD SPARSELLM_INLINE float operator()(float x, std::size_t channel) const noexcept {
    return scale != nullptr ? std::fabs(x) * scale[channel] : std::fabs(x);
  }
};

static_assert(activation_score<magnitude>);
static_assert(activation_score<column_scaled>);

}  // namespace sparsellm::inline v0
