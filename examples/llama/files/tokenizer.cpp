// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Both encodings end in merge_pairs; they differ in what the pieces are and what ranks a merge.
#include "files/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "files/merge_pairs.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;

namespace {

constexpr std::string_view word_start = "\xe2\x96\x81";  // U+2581, SentencePiece's space

void append_utf8(std::string& out, unsigned code_point) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else {  // below U+0800 is all that GPT-2's table needs
    out += static_cast<char>(0xc0 | (code_point >> 6));
    out += static_cast<char>(0x80 | (code_point & 0x3f));
  }
}

// GPT-2 writes every byte as a printable character: itself where it is one, else U+0100 and up.
const std::array<std::string, 256>& byte_characters() {
  static const std::array<std::string, 256> table = [] {
    std::array<std::string, 256> t;
    unsigned next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      append_utf8(t[b], printable ? b : next++);
    }
    return t;
  }();
  return table;
}

const std::unordered_map<std::string, char>& character_bytes() {
  static const std::unordered_map<std::string, char> table = [] {
    std::unordered_map<std::string, char> t;
    for (unsigned b = 0; b < 256; ++b) t[byte_characters()[b]] = static_cast<char>(b);
    return t;
  }();
  return table;
}

std::size_t utf8_length(char lead) {
  const auto c = static_cast<unsigned char>(lead);
  return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t n = std::min(utf8_length(text[at]), text.size() - at);
    out.push_back(text.substr(at, n));
    at += n;
  }
  return out;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (std::size_t at; (at = text.find(from)) != std::string_view::npos;) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  out += text;
  return out;
}

}  // namespace

tokenizer::tokenizer(const model_file& file) {
  const std::string& model = file.text("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama")
    raise<format_error>(
        concat("tokenizer: the model '", model, "' is not known; gpt2 and llama are"));
  sentencepiece_ = model == "llama";

  const auto& texts = file.array<std::string>("tokenizer.ggml.tokens");
  if (texts.empty() || texts.size() > 0x7fffffff)
    raise<format_error>(concat("tokenizer: a vocabulary of ", texts.size(), " tokens"));
  const auto& types = file.array<std::int64_t>("tokenizer.ggml.token_type");
  const std::vector<double>* scores =
      sentencepiece_ ? &file.array<double>("tokenizer.ggml.scores") : nullptr;
  if (types.size() != texts.size() || (scores != nullptr && scores->size() != texts.size()))
    raise<format_error>(concat("tokenizer: ", texts.size(), " tokens, ", types.size(),
                               " types: one each expected"));
  tokens_.resize(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    token& t = tokens_[i];
    t.text = texts[i];
    t.type = static_cast<kind>(types[i]);
    if (scores != nullptr) t.score = static_cast<float>((*scores)[i]);
    ids_.emplace(t.text, static_cast<token_id>(i));
    if ((t.type == kind::control || t.type == kind::user_defined) && !t.text.empty())
      specials_.push_back(static_cast<token_id>(i));
  }
  std::stable_sort(specials_.begin(), specials_.end(), [&](token_id a, token_id b) {
    return tokens_[static_cast<std::size_t>(a)].text.size() >
           tokens_[static_cast<std::size_t>(b)].text.size();
  });

  const auto special_id = [&](const char* key, std::int64_t otherwise) {
    const std::uint64_t id = file.whole(key, static_cast<std::uint64_t>(otherwise));
    return id < tokens_.size() ? static_cast<token_id>(id) : token_id{-1};
  };
  bos_ = special_id("tokenizer.ggml.bos_token_id", sentencepiece_ ? 1 : -1);
  eos_ = special_id("tokenizer.ggml.eos_token_id", sentencepiece_ ? 2 : -1);
  unknown_ = special_id("tokenizer.ggml.unknown_token_id", sentencepiece_ ? 0 : -1);
  add_bos_ = file.flag("tokenizer.ggml.add_bos_token", sentencepiece_) && bos_ >= 0;
  add_space_prefix_ = file.flag("tokenizer.ggml.add_space_prefix", sentencepiece_);

  if (!sentencepiece_) {
    const std::string pre = file.text("tokenizer.ggml.pre", "default");
    pretokenizer_ = std::make_unique<pretokenizer>(pre);
    ignore_merges_ = pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3";
    const auto& merges = file.array<std::string>("tokenizer.ggml.merges");
    for (std::size_t rank = 0; rank < merges.size(); ++rank) merges_.emplace(merges[rank], rank);
  }
}

token_id tokenizer::find(std::string_view text) const {
  const auto at = ids_.find(std::string(text));
  return at == ids_.end() ? -1 : at->second;
}

std::vector<token_id> tokenizer::encode(std::string_view text, bool specials) const {
  struct fragment {
    std::string_view text;
    token_id special = -1;
  };
  std::vector<fragment> fragments, cut;
  if (!text.empty()) fragments.push_back({text});
  for (const token_id id : specials_) {
    const token& t = tokens_[static_cast<std::size_t>(id)];
    if (!specials && t.type == kind::control) continue;
    if (text.find(t.text) == std::string_view::npos) continue;
    cut.clear();
    for (const fragment& f : fragments) {
      std::string_view rest = f.text;
      if (f.special < 0) {
        for (std::size_t at; (at = rest.find(t.text)) != std::string_view::npos;) {
          if (at > 0) cut.push_back({rest.substr(0, at)});
          cut.push_back({rest.substr(at, t.text.size()), id});
          rest.remove_prefix(at + t.text.size());
        }
        if (!rest.empty()) cut.push_back({rest});
      } else {
        cut.push_back(f);
      }
    }
    fragments.swap(cut);
  }
  std::vector<token_id> out;
  bool after_special = true;
  for (const fragment& f : fragments) {
    if (f.special >= 0)
      out.push_back(f.special);
    else if (sentencepiece_)
      encode_sentencepiece(f.text, after_special, out);
    else
      encode_gpt2(f.text, out);
    after_special = f.special >= 0;
  }
  return out;
}

void tokenizer::encode_gpt2(std::string_view text, std::vector<token_id>& out) const {
  std::string word;
  for (const std::string_view raw : pretokenizer_->split(text)) {
    word.clear();
    for (const char c : raw) word += byte_characters()[static_cast<unsigned char>(c)];
    if (ignore_merges_)
      if (const token_id whole = find(word); whole >= 0) {
        out.push_back(whole);
        continue;
      }
    const auto rank = [this](std::string_view left,
                             std::string_view right) -> std::optional<double> {
      std::string key(left);
      key += ' ';
      key += right;
      const auto at = merges_.find(key);
      if (at == merges_.end()) return std::nullopt;
      return static_cast<double>(at->second);
    };
    for (const std::string_view piece : merge_pairs(characters(word), rank)) {
      const token_id id = find(piece);
      if (id >= 0)
        out.push_back(id);
      else
        append_bytes(piece, out);
    }
  }
}

void tokenizer::encode_sentencepiece(std::string_view text, bool after_special,
                                     std::vector<token_id>& out) const {
  std::string escaped;
  if (add_space_prefix_ && after_special) escaped += word_start;
  escaped += replaced(text, " ", word_start);
  const auto rank = [this](std::string_view left, std::string_view right) -> std::optional<double> {
    const token_id id = find({left.data(), left.size() + right.size()});
    if (id < 0) return std::nullopt;
    return -static_cast<double>(tokens_[static_cast<std::size_t>(id)].score);
  };
  for (const std::string_view piece : merge_pairs(characters(escaped), rank)) {
    const token_id id = find(piece);
    if (id >= 0)
      out.push_back(id);
    else
      append_bytes(piece, out);
  }
}

// A piece that is no token, byte by byte: <0xE2> in SentencePiece's vocabularies, one character for
// each byte in GPT-2's. What even then has no token becomes the unknown token, if there is one.
void tokenizer::append_bytes(std::string_view text, std::vector<token_id>& out) const {
  const std::vector<std::string_view> pieces = characters(text);
  const auto append = [&](std::string_view name) {
    const token_id id = find(name);
    if (id >= 0 || unknown_ >= 0) out.push_back(id >= 0 ? id : unknown_);
  };
  if (!sentencepiece_) {
    for (const std::string_view c : pieces) append(c);
    return;
  }
  constexpr char hex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    const char name[] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'};
    append({name, sizeof name});
  }
}

std::string tokenizer::decode(const std::vector<token_id>& ids) const {
  std::string out;
  for (const token_id id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size())
      raise<format_error>(concat("tokenizer: there is no token ", id));
    const token& t = tokens_[static_cast<std::size_t>(id)];
    if (t.type == kind::control || t.type == kind::unknown) continue;
    if (t.type == kind::user_defined) {
      out += t.text;
    } else if (sentencepiece_ && t.type == kind::byte && t.text.size() == 6) {
      unsigned byte = 0;  // "<0xE2>"
      std::from_chars(t.text.data() + 3, t.text.data() + 5, byte, 16);
      out += static_cast<char>(byte);
    } else if (sentencepiece_) {
      out += replaced(t.text, word_start, " ");
    } else {
      for (const std::string_view c : characters(t.text)) {
        const auto at = character_bytes().find(std::string(c));
        if (at != character_bytes().end())
          out += at->second;
        else
          out += c;
      }
    }
  }
  return out;
}

}  // namespace llama
