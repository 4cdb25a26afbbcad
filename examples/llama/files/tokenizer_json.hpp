// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// tokenizer.json, Hugging Face's: byte-level BPE, and BPE with byte fallback as SentencePiece
// models are converted to. Read as GGUF's metadata, written from it.
#pragma once

#include <map>
#include <string>

#include "files/model_file.hpp"

namespace llama {

// The "tokenizer.ggml." values. config and tokenizer_config (may be empty) are the files' texts.
// Throws sparsellm::format_error for kinds of tokenizer that are not read.
[[nodiscard]] std::map<std::string, metadata_value> read_tokenizer_json(
    const std::string& tokenizer, const std::string& tokenizer_config, const std::string& config);

// Throws format_error when the vocabulary is missing.
[[nodiscard]] std::string write_tokenizer_json(const model_file& file);
[[nodiscard]] std::string write_tokenizer_config(const model_file& file);

}  // namespace llama
