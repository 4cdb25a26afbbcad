// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What inspect says of a pruned model.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "files/config.hpp"
#include "files/model_file.hpp"

namespace llama {

// `pruned`: what a checkpoint's masks save and which patterns they follow. Nothing of a dense
// model.
void inspect_pruned(const model_file& file, const config& c, nlohmann::ordered_json& result);
// How many weights of each projection follow which pattern.
void print_patterns(const nlohmann::ordered_json& result);

}  // namespace llama
