// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The input of a projection while it is still a residual stream: RMSNorm is applied where the
// threshold looks at it, in the pass that compacts, and the normalised vector need not exist.
#pragma once

#include <cmath>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0 {

// (x[c] · factor) · gain[c]; x and gain [channels] borrowed.
struct normalised {
  vector_view<const float> x;
  const float* gain;
  float factor;

  // Of x, before RMSNorm.
  [[nodiscard]] SPARSELLM_INLINE std::size_t size() const noexcept { return x.size(); }
  [[nodiscard]] SPARSELLM_INLINE const float* data() const noexcept { return x.data(); }
  [[nodiscard]] SPARSELLM_INLINE float operator[](std::size_t c) const noexcept {
    return x[c] * factor * gain[c];
  }
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// x [channels] scaled to a root mean square of 1, times gain [channels]: RMSNorm (arXiv 1910.07467,
// section 3), with epsilon added to the mean square. Borrows both; allocates nothing. Throws
// shape_error when the sizes differ or x is empty.
[[nodiscard]] inline normalised rms_norm(vector_view<const float> x, vector_view<const float> gain,
                                         float epsilon) {
  require<shape_error>(x.size() == gain.size() && !x.empty(), "rms_norm: x has ", x.size(),
                       " channels and the gain ", gain.size());
  double squares[8] = {};  // partial sums, so that the loop vectorises in a fixed order
  std::size_t c = 0;
  for (; c + 8 <= x.size(); c += 8)
    for (std::size_t i = 0; i < 8; ++i)
      squares[i] += static_cast<double>(x[c + i]) * static_cast<double>(x[c + i]);
  for (; c < x.size(); ++c) squares[0] += static_cast<double>(x[c]) * static_cast<double>(x[c]);
  double mean = 0;
  for (const double s : squares) mean += s;
  mean /= static_cast<double>(x.size());
  return {x, gain.data(), static_cast<float>(1.0 / std::sqrt(mean + static_cast<double>(epsilon)))};
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
