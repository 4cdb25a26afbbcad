// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A row of GGUF's K-quants, taken apart.
#pragma once

#include <cstdint>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// b = c / block_channels, s = c / 256: w[c] = scale_step[s] · scale[b] · (level[c] − zero) +
// minimum_step[s] · minimum[b].
struct super_block_row {
  std::vector<std::uint8_t> level;   // [inputs]
  std::vector<std::int8_t> scale;    // [blocks]
  std::vector<std::int8_t> minimum;  // [blocks]; not read when symmetric
  std::vector<half> scale_step;      // [super-blocks]
  std::vector<half> minimum_step;    // [super-blocks]; not read when symmetric
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
