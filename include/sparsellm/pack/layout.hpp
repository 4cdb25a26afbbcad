// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The orders a weight can be packed in, whatever its elements are.
#pragma once

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0 {

enum class layout {
  panel,          // a strip of outputs after the other, all channels of each: one stream, dense
  channel_major,  // a channel after the other, all outputs of each: a skipped channel is not read
  row_major,      // an output after the other: a skipped output is not read
  n_of_m,         // N:M, a strip of outputs after the other: one stream of what was kept
  channel_bitmap  // N:M, a channel after the other: a skipped channel is not read
};

[[nodiscard]] constexpr bool is_pruned(layout l) noexcept { return l >= layout::n_of_m; }

}  // namespace sparsellm::inline v0
