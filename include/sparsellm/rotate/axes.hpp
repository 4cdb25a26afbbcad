// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Axes of the space of activations, and how much lies along each.
#pragma once

#include <cstddef>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// What principal_axes() (principal_axes.hpp) finds.
struct axes_of_gram {
  std::size_t channels;
  buffer<float> axes;            // [channels, channels], row j is axis j, of length 1
  std::vector<double> energies;  // [channels]: the sum over rows of (x · axis)², falling

  [[nodiscard]] matrix_view<const float> matrix() const noexcept {
    return {axes.data(), channels, channels};
  }
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
