// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A pruned model as a GGUF file (version 3), which llama.cpp runs: zeros where weights are gone,
// in the order of the model's file. The orders of the shuffles change no result and are left out:
// nothing that reads a GGUF knows them, and the weights, which are stored dense, need none.
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

// Matrices are written as `type`, the rest (norms, biases, rotary divisors) as f32, as llama.cpp
// wants them. Q8_0 is rounded as ggml does. provenance: JSON text of an object that says how the
// masks were made. Returns the file's size in bytes. Throws as check_gguf() does, file_error, and
// format_error for weights that are not finite as `type`.
std::size_t write_gguf(sparsellm::output_file& to, const checkpoint_source& from,
                       const std::vector<pruned_block>& blocks, sparsellm::element_kind type,
                       const std::string& provenance,
                       const std::function<void(double share)>& tick);

}  // namespace llama
