// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A pruned model as a Hugging Face checkpoint: config.json, tokenizer.json and one safetensors file
// in compressed-tensors' sparse-24-bitmask or sparse-bitmask. Weights stay in the file's order, so
// any program that reads the format gets the pruned model; the orders are metadata.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "files/config.hpp"
#include "files/model_file.hpp"
#include "files/output_directory.hpp"
#include "files/pruned_block.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

struct checkpoint_source {
  const model_file& file;  // the dense model
  const config& c;         // its config
  // Of the checkpoint that it is, whose config.json, generation_config.json and tokenizer files are
  // carried over with nothing changed but what pruning changes; empty: a GGUF file, from which
  // they are made.
  std::string directory{};
};

// What the format cannot hold of a model, before any work is done. Throws format_error, and
// value_error for a type other than f32, f16 and bf16.
void check_checkpoint(const checkpoint_source& from, sparsellm::element_kind type);

// provenance: JSON text of an object that says how the masks were made. Throws as
// check_checkpoint() does, file_error, and format_error for weights that are not finite as `type`.
void write_checkpoint(const output_directory& to, const checkpoint_source& from,
                      const std::vector<pruned_block>& blocks, sparsellm::nm_pattern pattern,
                      sparsellm::element_kind type, const std::string& provenance,
                      const std::function<void(double share)>& tick);

}  // namespace llama
