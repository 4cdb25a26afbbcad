// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The texts that stand beside a pruned checkpoint's tensors: carried over from the checkpoint that
// was pruned, or made from a GGUF file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "files/checkpoint_writer.hpp"

namespace llama {

// What was pruned, as config.json and safetensors say it.
struct pruned_contents {
  bool is_24 = false;              // sparse-24-bitmask, else sparse-bitmask
  double kept = 0, all = 0;        // weights of the pruned projections
  std::vector<std::string> dense;  // modules that stay dense
};

// Which family's checkpoint a model is: Llama's with a window is Mistral's.
[[nodiscard]] const family& checkpoint_family(const config& c);

// By file name. Throws format_error for what config.json or tokenizer.json cannot say of a GGUF
// file, and file_error.
[[nodiscard]] std::map<std::string, std::string> checkpoint_companions(
    const checkpoint_source& from, sparsellm::element_kind type, const pruned_contents& pruned);

}  // namespace llama
