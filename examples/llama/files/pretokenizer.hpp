// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Cuts text into the words that byte-level BPE merges within, by the regular expressions of the
// models: PCRE2 knows Unicode's letters and digits.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace llama {

// An expression whose matches, and the gaps between them, are words of their own.
struct split_step {
  std::string pattern;  // as Oniguruma reads it, which tokenizer.json is written for
  bool drops_matches = false, drops_gaps = false;

  friend bool operator==(const split_step&, const split_step&) = default;
};

class pretokenizer {
 public:
  // Throws sparsellm::format_error for an expression that cannot be compiled, or that would mean
  // something else here than in Oniguruma.
  explicit pretokenizer(const std::vector<split_step>& steps);
  ~pretokenizer();

  // name: a GGUF file's tokenizer.ggml.pre: smollm, llama-bpe (llama3), gpt-2 or default. Its
  // expressions, each for what the one before it left. Throws sparsellm::format_error for any
  // other.
  [[nodiscard]] static std::vector<split_step> steps_of(const std::string& name);

  // In the order of the text, and all of it unless a step drops something. Bytes that are no UTF-8
  // are words of their own. Throws format_error when an expression gives up on a text.
  [[nodiscard]] std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct expression;
  std::vector<std::unique_ptr<expression>> expressions_;
};

}  // namespace llama
