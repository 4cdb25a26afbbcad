// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which of two layouts a weight should be packed in: panel reads everything at full
// speed, channel_major reads the active channels at a share of it (layout_efficiencies.hpp).
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// panel or channel_major, whichever is faster for a weight of this shape and element. `sparsity`:
// the share of channels expected to be skipped. `machine`: what decides; without it the same on
// every machine. Throws value_error for a sparsity outside [0, 1).
[[nodiscard]] inline layout_kind choose_layout(
    extents shape, element_kind element, double sparsity,
    const layout_efficiencies& machine = default_efficiencies()) {
  require<value_error>(sparsity >= 0.0 && sparsity < 1.0,
                       "choose_layout: the sparsity must be in [0, 1), got ", sparsity);
  const std::size_t run =
      detail::brick_strips(shape.outputs) * detail::brick_outputs * bits_of(element) / 8;
  return 1.0 - sparsity < machine.of(class_of(element)).at(run) ? layout_kind::channel_major
                                                                : layout_kind::panel;
}

// n_of_m or channel_bitmap for an N:M weight. Throws value_error as the other does.
[[nodiscard]] inline layout_kind choose_layout(
    extents shape, element_kind element, nm_pattern pattern, double sparsity,
    const layout_efficiencies& machine = default_efficiencies()) {
  require<value_error>(sparsity >= 0.0 && sparsity < 1.0,
                       "choose_layout: the sparsity must be in [0, 1), got ", sparsity);
  const std::size_t run =
      shape.outputs * (bits_of(element) * pattern.n + pattern.m) / pattern.m / 8;
  return 1.0 - sparsity < machine.floats.at(run) ? layout_kind::channel_bitmap
                                                 : layout_kind::n_of_m;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
