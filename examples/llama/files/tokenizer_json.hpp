// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// tokenizer.json, Hugging Face's: byte-level BPE, and BPE of characters as SentencePiece models are
// converted to. Read as the package tokenizers reads it, written from GGUF's metadata.
#pragma once

#include <string>

#include "files/model_file.hpp"
#include "files/vocabulary.hpp"

namespace llama {

// tokenizer and tokenizer_config (may be empty) are the files' texts. Throws
// sparsellm::format_error for kinds of tokenizer that are not read, and for whatever would change
// tokens and is not known.
[[nodiscard]] vocabulary read_tokenizer_json(const std::string& tokenizer,
                                             const std::string& tokenizer_config,
                                             const token_ids& ids);

// From a GGUF file. Throw format_error when the vocabulary is missing, or cannot be said in JSON.
[[nodiscard]] std::string write_tokenizer_json(const model_file& file);
[[nodiscard]] std::string write_tokenizer_config(const model_file& file);

}  // namespace llama
