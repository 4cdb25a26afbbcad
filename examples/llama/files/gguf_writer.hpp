// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A model as a GGUF file (version 3), which llama.cpp runs. Of a pruned one: zeros where weights
// are gone, in the order of the model's file. The orders of the shuffles change no result and are
// left out: nothing that reads a GGUF knows them, and the weights, which are stored dense, need
// none.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "files/checkpoint_writer.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

// Whether a path names a GGUF file: it ends in ".gguf".
[[nodiscard]] bool names_gguf(const std::string& path);

// What the file cannot hold of a model, before any work is done. Throws format_error, and
// value_error for a type other than f32, f16, bf16 and q8_0.
void check_gguf(const checkpoint_source& from, sparsellm::element_kind type);

// How a model was made: JSON text of an object, under a key of gguf_metadata.hpp.
struct gguf_provenance {
  const char* key;
  std::string json;
};

// blocks: one a layer, or none, and all weights are the file's. Matrices are written as `type`, the
// rest (norms, biases, rotary divisors) as f32, as llama.cpp wants them. Q8_0 is rounded as ggml
// does. Returns the file's size in bytes. Throws as check_gguf() does, file_error, and format_error
// for weights that are not finite as `type`.
std::size_t write_gguf(sparsellm::output_file& to, const checkpoint_source& from,
                       const std::vector<pruned_block>& blocks, sparsellm::element_kind type,
                       const gguf_provenance& made, const std::function<void(double share)>& tick);

}  // namespace llama
