// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 3, prune: how much a weight matters. Magnitude, Wanda (arXiv 2306.11695) and E-Sparse
// (arXiv 2310.15929) are all |W_ij| · s_j, one kernel with three ways to get s; RIA
// (ICLR 2024, "Plug-and-Play") needs the sums of rows and columns besides.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Throws value_error, whose text begins with `what`, for values that are NaN, infinite or negative.
inline void check_channel_values(const char* what, vector_view<const double> values) {
  for (std::size_t c = 0; c < values.size(); ++c)
    require<value_error>(is_finite(values[c]) && values[c] >= 0.0, what, " of channel ", c, " is ",
                         values[c], ", a finite number from 0 on expected");
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Semantics: s(w, row, channel) is the saliency of weight [row, channel], whose value is w: larger
// matters more, NaN is refused. Asked from many threads, any number of times.
template <class S>
concept saliency = requires(const S& s, float w, std::size_t row, std::size_t channel) {
  { s(w, row, channel) } noexcept -> std::same_as<float>;
};

// |w| · scale[channel]; no scale is 1.
struct scaled_magnitude {
  const float* scale = nullptr;  // [inputs], borrowed
  [[nodiscard]] float operator()(float w, std::size_t, std::size_t channel) const noexcept {
    return std::fabs(w) * (scale == nullptr ? 1.0f : scale[channel]);
  }
};
static_assert(saliency<scaled_magnitude>);

// Wanda's s_j = ‖X_j‖₂ (arXiv 2306.11695, section 3): [inputs], from norms [inputs]. Allocates what
// it returns. Throws value_error for norms that are NaN, infinite or negative.
[[nodiscard]] inline std::vector<float> wanda_scale(vector_view<const double> norms) {
  detail::check_channel_values("wanda_scale: the norm", norms);
  return {norms.begin(), norms.end()};
}

// E-Sparse's s_j = H_j + alpha · ‖X_j‖₂ (arXiv 2310.15929, section 3): [inputs], from entropies and
// norms [inputs]. The sum depends on the scale of the norms: root mean squares in their place are
// so small that the entropy alone decides. Allocates what it returns. Throws shape_error when the
// sizes differ, value_error as wanda_scale() does and for such an alpha.
[[nodiscard]] inline std::vector<float> e_sparse_scale(vector_view<const double> entropies,
                                                       vector_view<const double> norms,
                                                       double alpha = 1.0) {
  require<shape_error>(entropies.size() == norms.size(), "e_sparse_scale: ", entropies.size(),
                       " entropies and ", norms.size(), " norms");
  require<value_error>(is_finite(alpha) && alpha >= 0.0, "e_sparse_scale: alpha is ", alpha);
  detail::check_channel_values("e_sparse_scale: the entropy", entropies);
  detail::check_channel_values("e_sparse_scale: the norm", norms);
  std::vector<float> scale(norms.size());
  for (std::size_t c = 0; c < scale.size(); ++c)
    scale[c] = static_cast<float>(entropies[c] + alpha * norms[c]);
  return scale;
}

// RIA: (|w| / Σ_i |W_ij| + |w| / Σ_j |W_ij|) · ‖X_j‖₂^a, a = 0.5 (ICLR 2024, "Plug-and-Play"). Owns
// the sums of rows and columns, so pass it by reference.
class ria {
 public:
  // weight [outputs, inputs], norms [inputs]. Waits; allocates. Throws as wanda_scale() does, and
  // shape_error when the sizes differ.
  template <host_executor E>
  ria(E& exec, matrix_view<const float> weight, vector_view<const double> norms, double a = 0.5)
      : row_(weight.rows(), 0.0f), column_(weight.cols(), 0.0f), norm_(weight.cols()) {
    require<shape_error>(norms.size() == weight.cols(), "ria: ", weight.cols(),
                         " norms expected, got ", norms.size());
    detail::check_channel_values("ria: the norm", norms);
    for (std::size_t c = 0; c < norm_.size(); ++c)
      norm_[c] = static_cast<float>(std::pow(norms[c], a));
    exec.parallel_for(weight.rows(), [&](std::size_t r) {
      double sum = 0;
      for (std::size_t c = 0; c < weight.cols(); ++c)
        sum += static_cast<double>(std::fabs(weight(r, c)));
      row_[r] = inverse(sum);
    });
    std::vector<double> sums(weight.cols(), 0.0);
    for (std::size_t r = 0; r < weight.rows(); ++r)
      for (std::size_t c = 0; c < weight.cols(); ++c)
        sums[c] += static_cast<double>(std::fabs(weight(r, c)));
    for (std::size_t c = 0; c < sums.size(); ++c) column_[c] = inverse(sums[c]);
  }

  [[nodiscard]] float operator()(float w, std::size_t row, std::size_t channel) const noexcept {
    const float magnitude = std::fabs(w);
    return (magnitude * column_[channel] + magnitude * row_[row]) * norm_[channel];
  }

 private:
  // A row or column of zeros has nothing to divide.
  [[nodiscard]] static float inverse(double sum) noexcept {
    return sum > 0 ? static_cast<float>(1.0 / sum) : 0.0f;
  }
  std::vector<float> row_, column_, norm_;
};
static_assert(saliency<ria>);

// scores [outputs, inputs] = the saliency of each weight [outputs, inputs]: what masks and shuffles
// look at. Waits; allocates nothing. Throws value_error for a score that is NaN, infinite or
// negative, shape_error when the sizes differ.
template <host_executor E, saliency S>
void score_weights(E& exec, matrix_view<const float> weight, const S& s,
                   matrix_view<float> scores) {
  require<shape_error>(weight.rows() == scores.rows() && weight.cols() == scores.cols(),
                       "score_weights: ", weight.rows(), "x", weight.cols(),
                       " scores expected, got ", scores.rows(), "x", scores.cols());
  exec.parallel_for(weight.rows(), [&](std::size_t r) {
    for (std::size_t c = 0; c < weight.cols(); ++c) {
      const float score = s(weight(r, c), r, c);
      if (!(score >= 0.0f && is_finite(score)))
        raise<value_error>(concat("score_weights: the saliency of weight [", r, ", ", c, "] is ",
                                  score, ", a finite number from 0 on expected"));
      scores(r, c) = score;
    }
  });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
