// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Rotary positions as config.json says them.
#pragma once

#include "files/checkpoint_config.hpp"
#include "files/json_ledger.hpp"

namespace llama {

// rope_parameters of transformers 5, or rope_theta and rope_scaling of those before it. The context
// is in `to` already. Throws format_error for kinds that are not supported.
void read_rotary(json_ledger& c, checkpoint_config& to);

}  // namespace llama
