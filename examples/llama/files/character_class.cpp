// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/character_class.hpp"

#include <algorithm>

#include "files/pretokenizer.hpp"
#include "files/utf8.hpp"

namespace llama {

namespace {

bool is_space(std::string_view c) noexcept {
  if (c.size() == 1) return c[0] == ' ' || (c[0] >= '\t' && c[0] <= '\r');
  constexpr std::string_view others[] = {
      "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
      "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
      "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
      "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
  return std::find(std::begin(others), std::end(others), c) != std::end(others);
}

// The text's last character, by its first byte.
std::string_view last_of(std::string_view text) noexcept {
  std::size_t at = text.size();
  while (at > 0 && (static_cast<unsigned char>(text[--at]) & 0xc0) == 0x80) {
  }
  return text.substr(at);
}

std::string_view first_of(std::string_view text) noexcept {
  std::size_t n = text.empty() ? 0 : 1;
  while (n < text.size() && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) ++n;
  return text.substr(0, n);
}

// Unicode's Alphabetic, marks, decimal digits, connectors and joiners.
bool is_word(std::string_view character) {
  static const pretokenizer word(
      {{R"([\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-)"
        R"(\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189}\x{200c}\x{200d}])",
        false, true}});
  return !character.empty() && !word.split(character).empty();
}

}  // namespace

std::size_t leading_space(std::string_view text) noexcept {
  std::size_t n = 0;
  for (std::string_view c; !(c = first_of(text.substr(n))).empty() && is_space(c); n += c.size()) {
  }
  return n;
}

std::size_t trailing_space(std::string_view text) noexcept {
  std::size_t n = 0;
  for (std::string_view c; !(c = last_of(text.substr(0, text.size() - n))).empty() && is_space(c);
       n += c.size()) {
  }
  return n;
}

bool begins_with_word(std::string_view text) { return is_word(first_of(text)); }
bool ends_with_word(std::string_view text) { return is_word(last_of(text)); }

}  // namespace llama
