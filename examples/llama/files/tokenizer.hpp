// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Text to token ids and back, by the vocabulary of a GGUF file: byte-level BPE ("gpt2") and
// SentencePiece-style BPE ("llama").
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "files/model_file.hpp"
#include "files/pretokenizer.hpp"

namespace llama {

using token_id = std::int32_t;

class tokenizer {
 public:
  // Throws sparsellm::format_error when the vocabulary is missing, inconsistent or of another kind.
  explicit tokenizer(const model_file& file);

  // Without beginning-of-sequence token. `specials`: whether "<|im_start|>" and the like in the
  // text are the control tokens they look like. Any bytes are accepted; "" gives no tokens.
  [[nodiscard]] std::vector<token_id> encode(std::string_view text, bool specials = true) const;

  // Control tokens decode to nothing.
  [[nodiscard]] std::string decode(const std::vector<token_id>& ids) const;

  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }
  // Whether the model wants sequences to begin with bos().
  [[nodiscard]] bool add_bos() const noexcept { return add_bos_; }
  [[nodiscard]] token_id bos() const noexcept { return bos_; }
  [[nodiscard]] token_id eos() const noexcept { return eos_; }

 private:
  enum class kind : std::int8_t {
    normal = 1,
    unknown = 2,
    control = 3,
    user_defined = 4,
    byte = 6
  };
  struct token {
    std::string text;
    float score = 0;
    kind type = kind::normal;
  };

  [[nodiscard]] token_id find(std::string_view text) const;
  void encode_gpt2(std::string_view text, std::vector<token_id>& out) const;
  void encode_sentencepiece(std::string_view text, bool after_special,
                            std::vector<token_id>& out) const;
  void append_bytes(std::string_view text, std::vector<token_id>& out) const;

  bool sentencepiece_ = false;
  bool add_bos_ = false, add_space_prefix_ = false, ignore_merges_ = false;
  token_id bos_ = -1, eos_ = -1, unknown_ = -1;
  std::vector<token> tokens_;
  std::unordered_map<std::string, token_id> ids_;
  std::unordered_map<std::string, std::size_t> merges_;  // "left right" -> rank
  std::vector<token_id> specials_;                       // longest text first
  std::unique_ptr<pretokenizer> pretokenizer_;           // byte-level BPE only
};

}  // namespace llama
