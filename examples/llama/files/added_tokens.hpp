// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens that are found in a text as they are written, before it is cut into words.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "files/vocabulary.hpp"

namespace llama {

// A piece of text: an added token, or (-1) what stands between two.
struct text_piece {
  std::string_view text;
  std::int32_t token = -1;
};

class added_tokens {
 public:
  struct entry {
    std::string text;
    added_token token;
    bool control = false;
  };

  // leftmost: the leftmost match, the longest of those that begin there, as the package tokenizers
  // does; else every occurrence of the longest token first, as llama.cpp does.
  added_tokens(std::vector<entry> entries, bool leftmost);
  added_tokens() : added_tokens({}, true) {}

  // The text's pieces, in order, none empty. controls: whether control tokens are looked for.
  [[nodiscard]] std::vector<text_piece> split(std::string_view text, bool controls) const;

 private:
  [[nodiscard]] const entry* match(std::string_view text, std::size_t at) const;
  [[nodiscard]] std::vector<text_piece> split_leftmost(std::string_view text, bool controls) const;
  [[nodiscard]] std::vector<text_piece> split_longest(std::string_view text, bool controls) const;

  std::vector<entry> entries_;  // longest first
  std::array<std::vector<std::size_t>, 256> by_first_byte_;
  bool leftmost_;
};

}  // namespace llama
