// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Text to token ids and back: byte-level BPE ("gpt2"), and BPE of characters as SentencePiece's
// models have it ("llama").
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "files/added_tokens.hpp"
#include "files/model_file.hpp"
#include "files/pretokenizer.hpp"
#include "files/vocabulary.hpp"

namespace llama {

using token_id = std::int32_t;

class tokenizer {
 public:
  // By the file's vocabulary: a checkpoint's own, else that of the metadata. Throws
  // sparsellm::format_error when it is missing, inconsistent or of another kind.
  explicit tokenizer(const model_file& file);
  explicit tokenizer(vocabulary v);

  // Without beginning-of-sequence token. `specials`: whether "<|im_start|>" and the like in the
  // text are the control tokens they look like. Any bytes are accepted; "" gives no tokens.
  [[nodiscard]] std::vector<token_id> encode(std::string_view text, bool specials = true) const;

  // Control tokens decode to nothing.
  [[nodiscard]] std::string decode(const std::vector<token_id>& ids) const;

  [[nodiscard]] std::size_t size() const noexcept { return v_.texts.size(); }
  // Whether the model wants sequences to begin with bos().
  [[nodiscard]] bool add_bos() const noexcept { return v_.add_bos; }
  [[nodiscard]] token_id bos() const noexcept { return v_.bos; }
  // The usual token at a text's end, -1: none; and all that end one.
  [[nodiscard]] token_id eos() const noexcept { return v_.stops.empty() ? -1 : v_.stops.front(); }
  [[nodiscard]] const std::vector<token_id>& stops() const noexcept { return v_.stops; }

 private:
  [[nodiscard]] token_id find(std::string_view text) const;
  [[nodiscard]] bool byte_level() const noexcept { return v_.model == "gpt2"; }
  // Whether a text is changed before added tokens with `normalized` are looked for; and changed.
  [[nodiscard]] bool normalizes() const noexcept {
    return v_.prefix_is_normalization || v_.composes;
  }
  [[nodiscard]] std::string normalized(std::string_view text) const;
  void encode_piece(std::string_view text, bool first, std::vector<token_id>& out) const;
  void encode_normalized(std::string_view text, bool first, std::vector<token_id>& out) const;
  void encode_bytes(std::string_view text, std::vector<token_id>& out) const;
  void encode_characters(std::string_view text, std::vector<token_id>& out) const;
  void encode_word(std::string_view word, std::vector<token_id>& out) const;
  void append_unmerged(std::string_view piece, std::vector<token_id>& out) const;

  vocabulary v_;
  std::unordered_map<std::string, token_id> ids_;
  std::unordered_map<std::string, std::size_t> merges_;  // both pieces to their rank
  added_tokens verbatim_, in_normalized_;
  std::unique_ptr<pretokenizer> pretokenizer_;  // byte-level BPE only
};

}  // namespace llama
