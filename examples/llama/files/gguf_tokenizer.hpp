// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint's tokenizer in GGUF's words.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "files/model_file.hpp"
#include "files/vocabulary.hpp"

namespace llama {

// The keys "tokenizer.ggml.*". What they say is read back and compared, so that a text has the
// tokens that the checkpoint's tokenizer gives it. GGUF has no normalization form C, which is left
// out as llama.cpp's converter leaves it out. Throws format_error for everything else that GGUF
// cannot say.
[[nodiscard]] std::vector<std::pair<std::string, metadata_value>> tokenizer_values(
    const vocabulary& v);

}  // namespace llama
