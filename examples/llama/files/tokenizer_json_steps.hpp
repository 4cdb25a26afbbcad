// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The steps of tokenizer.json around the model: normalizer, pre-tokenizer, post-processor, decoder.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "files/vocabulary.hpp"

namespace llama {

// Each throws format_error for steps that are not known. step: nullptr where there is none.
void read_normalizer(const nlohmann::json* step, vocabulary& to);
// Says also whether the model is byte-level.
void read_pre_tokenizer(const nlohmann::json* step, vocabulary& to);
void check_decoder(const nlohmann::json* step);

// The id that is put before a text; nothing when none is.
[[nodiscard]] std::optional<std::uint64_t> read_post_processor(const nlohmann::json* step);

}  // namespace llama
