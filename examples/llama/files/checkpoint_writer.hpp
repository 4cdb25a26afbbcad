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
#include "files/pruned_block.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

// file: the dense model, whose config is c. provenance: JSON text of an object that says how the
// masks were made. The directory is made when it is not there. Throws file_error, and value_error
// for a type other than f32, f16 and bf16.
void write_checkpoint(const std::string& directory, const model_file& file, const config& c,
                      const std::vector<pruned_block>& blocks, sparsellm::nm_pattern pattern,
                      sparsellm::element_kind type, const std::string& provenance,
                      const std::function<void(double share)>& tick);

}  // namespace llama
