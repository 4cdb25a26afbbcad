// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/added_tokens.hpp"

#include <algorithm>
#include <utility>

#include "files/character_class.hpp"

namespace llama {

added_tokens::added_tokens(std::vector<entry> entries, bool leftmost)
    : entries_(std::move(entries)), leftmost_(leftmost) {
  std::erase_if(entries_, [](const entry& e) { return e.text.empty(); });
  std::sort(entries_.begin(), entries_.end(), [](const entry& a, const entry& b) {
    return a.text.size() != b.text.size() ? a.text.size() > b.text.size() : a.token.id < b.token.id;
  });
  for (std::size_t i = 0; i < entries_.size(); ++i)
    by_first_byte_[static_cast<unsigned char>(entries_[i].text[0])].push_back(i);
}

std::vector<text_piece> added_tokens::split(std::string_view text, bool controls) const {
  if (text.empty()) return {};
  return leftmost_ ? split_leftmost(text, controls) : split_longest(text, controls);
}

const added_tokens::entry* added_tokens::match(std::string_view text, std::size_t at) const {
  for (const std::size_t i : by_first_byte_[static_cast<unsigned char>(text[at])])
    if (text.compare(at, entries_[i].text.size(), entries_[i].text) == 0) return &entries_[i];
  return nullptr;
}

// A match that is left out (a control token that is not wanted, half a word) still hides those that
// begin inside it.
std::vector<text_piece> added_tokens::split_leftmost(std::string_view text, bool controls) const {
  std::vector<text_piece> pieces;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const entry* e = match(text, at);
    if (e == nullptr) {
      ++at;
      continue;
    }
    std::size_t first = at, last = at + e->text.size();
    at = last;
    if (e->control && !controls) continue;
    if (e->token.single_word &&
        (ends_with_word(text.substr(0, first)) || begins_with_word(text.substr(last))))
      continue;
    if (e->token.lstrip) first = std::max(first - trailing_space(text.substr(0, first)), done);
    if (e->token.rstrip) last += leading_space(text.substr(last));
    if (first > done) pieces.push_back({text.substr(done, first - done)});
    pieces.push_back({text.substr(first, last - first), e->token.id});
    done = last;
  }
  if (done < text.size()) pieces.push_back({text.substr(done)});
  return pieces;
}

std::vector<text_piece> added_tokens::split_longest(std::string_view text, bool controls) const {
  std::vector<text_piece> pieces{{text}}, cut;
  for (const entry& e : entries_) {
    if ((e.control && !controls) || text.find(e.text) == std::string_view::npos) continue;
    cut.clear();
    for (const text_piece& p : pieces) {
      std::string_view rest = p.text;
      if (p.token >= 0) {
        cut.push_back(p);
        continue;
      }
      for (std::size_t at; (at = rest.find(e.text)) != std::string_view::npos;) {
        if (at > 0) cut.push_back({rest.substr(0, at)});
        cut.push_back({rest.substr(at, e.text.size()), e.token.id});
        rest.remove_prefix(at + e.text.size());
      }
      if (!rest.empty()) cut.push_back({rest});
    }
    pieces.swap(cut);
  }
  return pieces;
}

}  // namespace llama
