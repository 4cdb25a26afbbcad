// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// perplexity --sweep: what each sparsity costs a model and what it buys, in one table.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "commands/commands.hpp"
#include "files/tokenizer.hpp"
#include "methods/calibration.hpp"

namespace llama {

// The windows that perplexity scores. Throws value_error for a text with fewer tokens.
[[nodiscard]] std::vector<window> scored_windows(const tokenizer& t, const options& o);

// Calibrates, scores and decodes at 0, 25, 40, 50 and 60 %, prints a table, and bars on a terminal.
void sweep(const options& o, nlohmann::ordered_json& result);

}  // namespace llama
