// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Just enough JSON (RFC 8259) to read threshold tables without a dependency: strict, bounded depth,
// errors with line and column. Foreign files come through here, so it is fuzzed.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::json {

// A JSON value; the members that its kind does not use are empty.
struct value {
  enum class kind { null, boolean, number, string, array, object };
  kind type = kind::null;
  bool boolean = false;
  double number = 0;
  std::string text;
  std::vector<value> items;       // array, or an object's members in order
  std::vector<std::string> keys;  // object: the members' names, unique

  // nullptr when there is no such member or this is no object.
  [[nodiscard]] const value* find(std::string_view key) const noexcept {
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] == key) return &items[i];
    return nullptr;
  }
};

// Reads one text, which it borrows.
class parser {
 public:
  // UTF-8.
  explicit parser(std::string_view text) : text_(text) {}

  // Throws format_error.
  [[nodiscard]] value parse() {
    value v = parse_value(0);
    skip_space();
    if (at_ != text_.size()) fail("nothing more after the value");
    return v;
  }

 private:
  static constexpr int max_depth = 32;

  [[noreturn]] void fail(std::string_view expected) const {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) {
      ++column;
      if (text_[i] == '\n') {
        ++line;
        column = 1;
      }
    }
    raise<format_error>(concat("JSON, line ", line, ", column ", column, ": expected ", expected));
  }
  void skip_space() noexcept {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool take(std::string_view expected) noexcept {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  [[nodiscard]] value parse_value(int depth) {
    if (depth > max_depth) fail("at most 32 nested arrays and objects");
    skip_space();
    value v;
    switch (peek()) {
      case '{': parse_object(v, depth); break;
      case '[': parse_array(v, depth); break;
      case '"':
        v.type = value::kind::string;
        v.text = parse_string();
        break;
      case 't':
      case 'f':
        v.type = value::kind::boolean;
        v.boolean = peek() == 't';
        if (!take(v.boolean ? "true" : "false")) fail("true or false");
        break;
      case 'n':
        if (!take("null")) fail("null");
        break;
      default: parse_number(v);
    }
    return v;
  }

  void parse_object(value& v, int depth) {
    v.type = value::kind::object;
    ++at_;
    skip_space();
    if (take("}")) return;
    for (;;) {
      skip_space();
      if (peek() != '"') fail("a member's name");
      std::string key = parse_string();
      if (v.find(key) != nullptr) fail("each member once");
      skip_space();
      if (!take(":")) fail("':'");
      v.keys.push_back(std::move(key));
      v.items.push_back(parse_value(depth + 1));
      skip_space();
      if (take("}")) return;
      if (!take(",")) fail("',' or '}'");
    }
  }

  void parse_array(value& v, int depth) {
    v.type = value::kind::array;
    ++at_;
    skip_space();
    if (take("]")) return;
    for (;;) {
      v.items.push_back(parse_value(depth + 1));
      skip_space();
      if (take("]")) return;
      if (!take(",")) fail("',' or ']'");
    }
  }

  void parse_number(value& v) {
    const std::size_t begin = at_;
    (void)take("-");
    if (!digit(peek())) fail("a value");
    if (!take("0")) digits();
    if (take(".")) digits();
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    v.type = value::kind::number;
    const auto [end, error] = std::from_chars(text_.data() + begin, text_.data() + at_, v.number);
    if (error != std::errc{} || end != text_.data() + at_) fail("a number that fits a double");
  }
  [[nodiscard]] static bool digit(char c) noexcept { return c >= '0' && c <= '9'; }
  void digits() {
    if (!digit(peek())) fail("a digit");
    while (digit(peek())) ++at_;
  }

  [[nodiscard]] std::string parse_string() {
    ++at_;
    std::string out;
    for (;;) {
      if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 0x20)
        fail("the end of the string, control characters escaped");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
        continue;
      }
      constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
      const char escape = peek();
      if (escape == 'u') {
        ++at_;
        append_utf8(out, code_point());
      } else if (const std::size_t i = from.find(escape); escape != '\0' && i != from.npos) {
        ++at_;
        out += to[i];
      } else {
        fail("an escape");
      }
    }
  }

  [[nodiscard]] std::uint32_t hex4() {
    std::uint32_t code = 0;
    const std::string_view text = text_.substr(at_, 4);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
    if (text.size() != 4 || error != std::errc{} || end != text.data() + 4)
      fail("four hexadecimal digits");
    at_ += 4;
    return code;
  }
  [[nodiscard]] std::uint32_t code_point() {
    const std::uint32_t high = hex4();
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || !take("\\u")) fail("a surrogate pair");
    const std::uint32_t low = hex4();
    if (low < 0xdc00 || low > 0xdfff) fail("a surrogate pair");
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }
  static void append_utf8(std::string& out, std::uint32_t c) {
    if (c < 0x80) {
      out += static_cast<char>(c);
      return;
    }
    const int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    constexpr unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(lead[extra] | (c >> (6 * extra)));
    for (int i = extra - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// The value that a whole text is. Throws format_error, with line and column.
[[nodiscard]] inline value parse(std::string_view text) { return parser(text).parse(); }

// The text as a JSON string, quotes included.
[[nodiscard]] inline std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char hex[] = "0123456789abcdef";
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

// The shortest text that reads back as the same number.
template <class Number>
[[nodiscard]] std::string number(Number n) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, n).ptr};
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::json
