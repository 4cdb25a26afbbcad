// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of SPARSELLM_THRESHOLDS.
#pragma once

#include <cstdint>

#include "ggml.h"
#include "sparsellm/calibrate/threshold_table.hpp"

namespace sparsellm_ggml {

// Reads the table, once; does nothing where none is asked for. Throws file_error, format_error, and
// value_error for scores and selections that the plugin does not have.
void load_thresholds();

// The table's entry for a weight; null without a table, and for weights that are no projections of
// a block. `hash`: weight_hash of the weight's bytes. Throws format_error when the table lacks the
// site or was made for a weight of another shape or hash.
[[nodiscard]] const sparsellm::site_threshold* threshold_of(const ggml_tensor& weight,
                                                            std::uint64_t hash);

}  // namespace sparsellm_ggml
