// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which of two layouts a weight should be packed in: panel reads everything at full
// speed, channel_major reads the active channels at a share of it that depends on how long a
// channel's contiguous run is.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// How many bytes per second channel_major reads of active channels, as a share of a panel's stream,
// in [0, 1), for channels of `run_bytes` contiguous bytes. Measured on Zen 4 with 2 threads, 50 %
// skipped at random, and rounded down, so that a wrong choice of floats is the dense one;
// script/bench measures it again.
[[nodiscard]] inline double channel_efficiency(std::size_t run_bytes, bool quantized) noexcept {
  // A block's scales are read whatever is skipped in it, and channels are padded to fours: the
  // length of a run hardly matters beside that. 0.57 on Zen 4, and more on a Xeon with AMX, where
  // 40 % skipped took less time than the panel at nearly every shape: between them, so that it
  // costs at most 7 % on the one.
  if (quantized) return run_bytes < 256 ? 0.0 : 0.61;
  struct point {
    double bytes, efficiency;
  };
  constexpr point measured[] = {{0, 0.0},     {384, 0.56},  {768, 0.62}, {1152, 0.68},
                                {2048, 0.72}, {4096, 0.75}, {8192, 0.76}};
  const auto x = static_cast<double>(run_bytes);
  for (std::size_t i = 1; i < sizeof measured / sizeof measured[0]; ++i) {
    const point a = measured[i - 1], b = measured[i];
    if (x <= b.bytes)
      return a.efficiency + (b.efficiency - a.efficiency) * (x - a.bytes) / (b.bytes - a.bytes);
  }
  return measured[sizeof measured / sizeof measured[0] - 1].efficiency;
}

// panel or channel_major, whichever is faster for a weight of this shape and element. `sparsity`:
// the share of channels expected to be skipped. Throws value_error for a sparsity outside [0, 1).
[[nodiscard]] inline layout_kind choose_layout(extents shape, element_kind element,
                                               double sparsity) {
  require<value_error>(sparsity >= 0.0 && sparsity < 1.0,
                       "choose_layout: the sparsity must be in [0, 1), got ", sparsity);
  const std::size_t run =
      detail::brick_strips(shape.outputs) * detail::brick_outputs * bits_of(element) / 8;
  return 1.0 - sparsity < channel_efficiency(run, is_quantized(element))
             ? layout_kind::channel_major
             : layout_kind::panel;
}

// n_of_m or channel_bitmap for an N:M weight. Throws value_error as the other does.
[[nodiscard]] inline layout_kind choose_layout(extents shape, element_kind element,
                                               nm_pattern pattern, double sparsity) {
  require<value_error>(sparsity >= 0.0 && sparsity < 1.0,
                       "choose_layout: the sparsity must be in [0, 1), got ", sparsity);
  const std::size_t run =
      shape.outputs * (bits_of(element) * pattern.n + pattern.m) / pattern.m / 8;
  return 1.0 - sparsity < channel_efficiency(run, false) ? layout_kind::channel_bitmap
                                                         : layout_kind::n_of_m;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
