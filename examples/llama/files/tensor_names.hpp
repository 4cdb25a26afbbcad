// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tensors of a checkpoint are called in GGUF, which the rest of the program knows.
#pragma once

#include <optional>
#include <string>

#include "files/family.hpp"

namespace llama {

// GGUF's name of a checkpoint's tensor, nothing for one that models of the family have not:
// "model.layers.3.mlp.up_proj.weight" is "blk.3.ffn_up.weight".
[[nodiscard]] std::optional<std::string> gguf_name_of(const family& f, const std::string& name);

// The checkpoint's name of GGUF's tensor; the same for one that models of the family have not.
[[nodiscard]] std::string checkpoint_name_of(const family& f, const std::string& name);

}  // namespace llama
