// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// perplexity --sweep: what each sparsity costs a model and what it buys, in one table.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "commands/commands.hpp"

namespace llama {

// Calibrates, scores and decodes at 0, 25, 40, 50 and 60 %, prints a table, and bars on a terminal.
void sweep(const options& o, nlohmann::ordered_json& result);

}  // namespace llama
