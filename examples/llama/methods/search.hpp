// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Allocations that are searched for: TEAL's block-wise greedy one, which gives every block the same
// sparsity, and one that also divides it between blocks.
#pragma once

#include <cstddef>
#include <vector>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "methods/calibration.hpp"
#include "sparsellm/calibrate/allocated.hpp"

namespace llama {

// o.allocation is "greedy" or "layers". Searches on the first o.search_windows windows; what is
// found is kept in o.search after every block, and read from there. Throws format_error for a
// state of another model, text or setting.
[[nodiscard]] sparsellm::allocated search_allocation(setup& s, const options& o, double sparsity,
                                                     const std::vector<window>& windows);

}  // namespace llama
