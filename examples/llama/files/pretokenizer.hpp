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

class pretokenizer {
 public:
  // name: a GGUF file's tokenizer.ggml.pre: smollm, llama-bpe (llama3), gpt-2 or default.
  // Throws sparsellm::format_error for any other.
  explicit pretokenizer(const std::string& name);
  ~pretokenizer();

  // Its expressions, each for what the one before it left. Throws as the constructor does.
  [[nodiscard]] static std::vector<std::string> patterns(const std::string& name);

  // Consecutive, covering the text. Bytes that are no UTF-8 are words of their own.
  [[nodiscard]] std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct expression;
  std::vector<std::unique_ptr<expression>> expressions_;
};

}  // namespace llama
