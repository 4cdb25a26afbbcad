// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/utf8.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace llama {

namespace {

std::size_t length_by(char lead) {
  const auto c = static_cast<unsigned char>(lead);
  return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

}  // namespace

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t n = std::min(length_by(text[at]), text.size() - at);
    out.push_back(text.substr(at, n));
    at += n;
  }
  return out;
}

std::string valid_utf8(const std::string& text) {
  using nlohmann::json;
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace));
}

bool is_utf8(std::string_view text) {
  const bool ascii = std::all_of(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0x80) == 0; });
  return ascii || valid_utf8(std::string(text)) == text;
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

}  // namespace llama
