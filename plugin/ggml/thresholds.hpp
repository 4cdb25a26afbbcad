// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of SPARSELLM_THRESHOLDS, or the one for SPARSELLM_SPARSITY that SPARSELLM_COUNTS gives.
#pragma once

#include <cstdint>

#include "ggml.h"
#include "sparsellm/calibrate/threshold_table.hpp"

namespace sparsellm_ggml {

// Reads the table or the counts, once; does nothing where none is asked for. Throws file_error,
// format_error, value_error for scores and selections that the plugin does not have, and what
// sparsellm::calibrate() throws.
void load_thresholds();

// The table's entry for a weight; null without a table, and for weights that are no projections of
// a block. Throws format_error when the table lacks the site or was made for a weight of another
// shape.
[[nodiscard]] const sparsellm::site_threshold* threshold_of(const ggml_tensor& weight);

// Throws format_error when the table knows a weight by another hash than `hash`, weight_hash of its
// bytes. threshold_of() has an entry for it.
void check_weight(const ggml_tensor& weight, std::uint64_t hash);

}  // namespace sparsellm_ggml
