// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Both encodings end in merge_pairs; they differ in what the pieces are and what ranks a merge.
#include "files/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "files/compose.hpp"
#include "files/merge_pairs.hpp"
#include "files/utf8.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;

namespace {

constexpr char between = '\xff';  // of the two pieces of a merge: in no UTF-8
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

}  // namespace

tokenizer::tokenizer(const model_file& file)
    : tokenizer(file.own_vocabulary() != nullptr ? *file.own_vocabulary() : gguf_vocabulary(file)) {
}

tokenizer::tokenizer(vocabulary v) : v_(std::move(v)) {
  for (std::size_t i = 0; i < v_.texts.size(); ++i)
    if (v_.findable.empty() || v_.findable[i]) ids_.emplace(v_.texts[i], static_cast<token_id>(i));
  for (std::size_t rank = 0; rank < v_.merges.size(); ++rank)
    merges_.emplace(v_.merges[rank].first + between + v_.merges[rank].second, rank);
  decltype(v_.merges)().swap(v_.merges);  // their memory too
  std::vector<added_tokens::entry> verbatim, in_normalized;
  for (const added_token& a : v_.added) {
    const auto at = static_cast<std::size_t>(a.id);
    const bool later = a.normalized && normalizes();
    (later ? in_normalized : verbatim)
        .push_back({later ? normalized(v_.texts[at]) : v_.texts[at], a,
                    v_.kinds[at] == token_kind::control || v_.kinds[at] == token_kind::unknown});
  }
  verbatim_ = added_tokens(std::move(verbatim), v_.leftmost);
  in_normalized_ = added_tokens(std::move(in_normalized), v_.leftmost);
  if (byte_level()) pretokenizer_ = std::make_unique<pretokenizer>(v_.steps);
}

token_id tokenizer::find(std::string_view text) const {
  const auto at = ids_.find(std::string(text));
  return at == ids_.end() ? -1 : at->second;
}

std::string tokenizer::normalized(std::string_view text) const {
  std::string out = v_.composes ? composed(text) : std::string(text);
  if (!v_.prefix_is_normalization) return out;
  if (v_.replaces_spaces) out = replaced(out, " ", word_start);
  if (v_.prefix == space_prefix::every && !out.empty()) out.insert(0, word_start);
  return out;
}

std::vector<token_id> tokenizer::encode(std::string_view text, bool specials) const {
  std::vector<token_id> out;
  for (const text_piece& p : verbatim_.split(text, specials)) {
    if (p.token >= 0)
      out.push_back(p.token);
    else
      encode_piece(p.text, p.text.data() == text.data(), out);
  }
  return out;
}

// What stands between two added tokens; first: at the text's beginning.
void tokenizer::encode_piece(std::string_view text, bool first, std::vector<token_id>& out) const {
  if (!normalizes()) return encode_normalized(text, first, out);
  const std::string changed = normalized(text);
  for (const text_piece& p : in_normalized_.split(changed, true)) {
    if (p.token >= 0)
      out.push_back(p.token);
    else
      encode_normalized(p.text, first && p.text.data() == changed.data(), out);
  }
}

void tokenizer::encode_normalized(std::string_view text, bool first,
                                  std::vector<token_id>& out) const {
  if (byte_level()) {
    if (!v_.space_before_words || text.starts_with(' ')) return encode_bytes(text, out);
    return encode_bytes(' ' + std::string(text), out);
  }
  if (v_.prefix_is_normalization) return encode_characters(text, out);
  std::string spaced = v_.replaces_spaces ? replaced(text, " ", word_start) : std::string(text);
  const bool prefixed = v_.prefix == space_prefix::every_without_it ||
                        (v_.prefix == space_prefix::first_without_it && first);
  if (prefixed && !spaced.starts_with(word_start)) spaced.insert(0, word_start);
  encode_characters(spaced, out);
}

void tokenizer::encode_bytes(std::string_view text, std::vector<token_id>& out) const {
  std::string word;
  for (const std::string_view raw : pretokenizer_->split(text)) {
    word.clear();
    for (const char c : raw) word += byte_characters()[static_cast<unsigned char>(c)];
    encode_word(word, out);
  }
}

void tokenizer::encode_characters(std::string_view text, std::vector<token_id>& out) const {
  if (!v_.cuts_at_spaces) return encode_word(text, out);
  for (std::size_t next; !text.empty(); text.remove_prefix(next)) {
    next = std::min(text.find(word_start, 1), text.size());
    encode_word(text.substr(0, next), out);
  }
}

void tokenizer::encode_word(std::string_view word, std::vector<token_id>& out) const {
  if (v_.ignore_merges)
    if (const token_id whole = find(word); whole >= 0) return out.push_back(whole);
  const auto by_list = [this](std::string_view left,
                              std::string_view right) -> std::optional<double> {
    std::string key(left);
    key += between;
    key += right;
    const auto at = merges_.find(key);
    if (at == merges_.end()) return std::nullopt;
    return static_cast<double>(at->second);
  };
  const auto by_score = [this](std::string_view left,
                               std::string_view right) -> std::optional<double> {
    const token_id id = find({left.data(), left.size() + right.size()});
    if (id < 0) return std::nullopt;
    return -static_cast<double>((*v_.scores)[static_cast<std::size_t>(id)]);
  };
  std::size_t unknown_end = 0;  // of `out`, behind an unknown token that the next one joins
  const auto pieces = v_.scores.has_value() ? merge_pairs(characters(word), by_score)
                                            : merge_pairs(characters(word), by_list);
  for (const std::string_view piece : pieces) {
    const std::size_t before = out.size();
    if (const token_id id = find(piece); id >= 0)
      out.push_back(id);
    else
      append_unmerged(piece, out);
    const bool one_unknown =
        out.size() == before + 1 && out.back() == v_.unknown && find(piece) != v_.unknown;
    if (one_unknown && v_.fuse_unknown && unknown_end == before && before != 0) out.pop_back();
    if (one_unknown) unknown_end = out.size();
  }
}

// A piece that is no token: <0xE2> for each of its bytes, or one character for each in GPT-2's
// vocabularies. What even then has no token is the unknown token, if there is one.
void tokenizer::append_unmerged(std::string_view piece, std::vector<token_id>& out) const {
  std::vector<token_id> parts;
  if (byte_level()) {
    for (const std::string_view c : characters(piece)) parts.push_back(find(c));
  } else if (v_.byte_fallback) {
    constexpr char hex[] = "0123456789ABCDEF";
    for (const char c : piece) {
      const auto b = static_cast<unsigned char>(c);
      const char name[] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'};
      parts.push_back(find({name, sizeof name}));
    }
  } else {
    parts.push_back(-1);
  }
  // The package tokenizers takes all bytes of a character, or the unknown token for it.
  if (v_.leftmost && std::find(parts.begin(), parts.end(), -1) != parts.end()) parts = {-1};
  for (const token_id id : parts)
    if (id >= 0 || v_.unknown >= 0) out.push_back(id >= 0 ? id : v_.unknown);
}

std::string tokenizer::decode(const std::vector<token_id>& ids) const {
  std::string out;
  for (const token_id id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= size())
      raise<format_error>(concat("tokenizer: there is no token ", id));
    const std::string& text = v_.texts[static_cast<std::size_t>(id)];
    const token_kind kind = v_.kinds[static_cast<std::size_t>(id)];
    if (kind == token_kind::control || kind == token_kind::unknown) continue;
    if (kind == token_kind::user_defined) {
      out += text;
    } else if (!byte_level() && kind == token_kind::byte && text.size() == 6) {
      unsigned byte = 0;  // "<0xE2>"
      std::from_chars(text.data() + 3, text.data() + 5, byte, 16);
      out += static_cast<char>(byte);
    } else if (!byte_level()) {
      out += replaced(text, word_start, " ");
    } else {
      for (const std::string_view c : characters(text)) {
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
