// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The orders a weight can be packed in, whatever its elements are.
#pragma once

#include <cstddef>
#include <string_view>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0 {

// Which layout, for engines that decide it when they run.
enum class layout_kind {
  panel,          // strips one after the other, all channels of each: one stream, dense
  channel_major,  // channels one after the other, all outputs of each: a skipped one is not read
  row_major,      // outputs one after the other, all channels of each: a skipped one is not read
  n_of_m,         // N:M, strips one after the other: one stream of what was kept
  channel_bitmap  // N:M, channels one after the other: a skipped one is not read
};

// Whether weights of this layout keep N of every M.
[[nodiscard]] constexpr bool is_pruned(layout_kind l) noexcept { return l >= layout_kind::n_of_m; }

// As the formats are spelled.
[[nodiscard]] constexpr std::string_view name(layout_kind l) noexcept {
  constexpr std::string_view names[] = {"panel", "channel_major", "row_major", "n_of_m",
                                        "channel_bitmap"};
  return names[static_cast<std::size_t>(l)];
}

}  // namespace sparsellm::inline v0
