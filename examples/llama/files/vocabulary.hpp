// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a tokenizer is made from, whichever file says it: the tokens, how pairs are merged, what
// becomes of spaces, and which tokens are found in a text before anything else is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "files/model_file.hpp"
#include "files/pretokenizer.hpp"

namespace llama {

// GGUF's token types.
enum class token_kind : std::int64_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

// The ids that a model's configuration names.
struct token_ids {
  std::optional<std::uint64_t> bos;
  std::vector<std::uint64_t> stops;   // any of them ends a text; the first is the usual one
  std::optional<std::uint64_t> size;  // of the vocabulary
};

// A token that is found in the text as it is, before words are cut and merged.
struct added_token {
  std::int32_t id = 0;
  bool single_word = false;             // not inside a word
  bool lstrip = false, rstrip = false;  // takes the spaces before, behind it
  bool normalized = false;              // found in the text whose spaces are replaced already
};

// Before which pieces of text the replaced space is put.
enum class space_prefix {
  none,
  every,             // every piece between added tokens
  every_without_it,  // the same, unless it begins with one
  first_without_it   // the text's first piece, unless it begins with one
};

struct vocabulary {
  std::string model;  // GGUF's name: "gpt2" is byte-level, "llama" of characters
  std::string pre;    // GGUF's name of the pre-tokenizer; "tokenizer.json" for another

  std::vector<std::string> texts;  // of every token, by id
  std::vector<token_kind> kinds;
  std::vector<bool> findable;  // words are made of it; empty: of all

  // What may be merged, in this order. Or, without a list, any two that together are a token: the
  // highest score first.
  std::vector<std::pair<std::string, std::string>> merges;
  std::optional<std::vector<float>> scores;
  bool ignore_merges = false;  // a word that is a token is not merged

  bool composes = false;            // a text's characters, to normalization form C, first of all
  std::vector<split_step> steps;    // how a text is cut into words; byte-level
  bool space_before_words = false;  // byte-level: a piece that does not begin with a space gets one
  space_prefix prefix = space_prefix::none;  // of characters
  bool replaces_spaces = false;              // by U+2581; of characters
  bool prefix_is_normalization =
      false;                    // so that added tokens with `normalized` are found after it
  bool cuts_at_spaces = false;  // every U+2581 begins a word

  bool byte_fallback = false;  // what has no token becomes <0x0A> and the like
  bool fuse_unknown = false;   // unknown neighbours are one token

  std::vector<added_token> added;
  bool leftmost = false;  // of added tokens the leftmost, longest first; else the longest anywhere

  std::int32_t bos = -1, unknown = -1;
  std::vector<std::int32_t> stops;
  bool add_bos = false;
};

// By a GGUF file's metadata, with llama.cpp's defaults where it is silent. Throws format_error for
// tokenizers that are not read.
[[nodiscard]] vocabulary gguf_vocabulary(const model_file& file);

}  // namespace llama
