// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What the fuzzers run and the corpus test replays: a parser, and everything that trusts it. Any
// sparsellm::error is a right answer; a crash, a leak or a sanitizer's report is not.
#pragma once

#include <cstddef>
#include <cstdint>

// A GGUF file, or the parts of a split one: metadata, configuration, tokenizer, the first and last
// row of every tensor.
void fuzz_gguf(const std::uint8_t* data, std::size_t size);

// A threshold table: what is read must be written and read the same.
void fuzz_table(const std::uint8_t* data, std::size_t size);

// Activation counts, likewise; what was counted is expanded.
void fuzz_counts(const std::uint8_t* data, std::size_t size);

// A table of layout efficiencies, likewise.
void fuzz_layouts(const std::uint8_t* data, std::size_t size);

// A shard, config.json with generation_config.json, tokenizer.json with tokenizer_config.json.
void fuzz_checkpoint(const std::uint8_t* data, std::size_t size);
void fuzz_config(const std::uint8_t* data, std::size_t size);
void fuzz_tokenizer(const std::uint8_t* data, std::size_t size);

// What a search for an allocation keeps in its file.
void fuzz_search(const std::uint8_t* data, std::size_t size);
