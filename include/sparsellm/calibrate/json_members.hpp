// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The members of objects in our files of JSON: each there, of its kind and in its range, or an
// error that names the file's kind and the member.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sparsellm/calibrate/json.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::json {

// An object's members; `file`, what errors begin with, is "threshold table" for instance. Every
// function throws format_error for a member that is missing, of another kind or out of range.
class members {
 public:
  members(const value& object, std::string_view file) noexcept : object_(object), file_(file) {}

  [[nodiscard]] bool has(std::string_view key) const noexcept {
    return object_.find(key) != nullptr;
  }
  [[nodiscard]] const value& get(std::string_view key, value::kind type) const {
    const value* v = object_.find(key);
    require<format_error>(v != nullptr, file_, ": '", key, "' is missing");
    require<format_error>(v->type == type, file_, ": '", key, "' has the wrong type");
    return *v;
  }
  [[nodiscard]] const std::vector<value>& items(std::string_view key) const {
    return get(key, value::kind::array).items;
  }
  [[nodiscard]] const std::string& text(std::string_view key) const {
    return get(key, value::kind::string).text;
  }
  [[nodiscard]] double real(std::string_view key) const {
    return get(key, value::kind::number).number;
  }
  [[nodiscard]] std::size_t whole(std::string_view key) const {
    const double n = real(key);
    // 2^53: the largest range in which every integer is a double.
    require<format_error>(n >= 0 && n <= 9007199254740992.0 && n == std::floor(n), file_, ": '",
                          key, "' must be a whole number, got ", n);
    return static_cast<std::size_t>(n);
  }
  [[nodiscard]] std::uint64_t hash(std::string_view key) const {
    const std::string& digits = text(key);
    std::uint64_t h = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), h, 16);
    require<format_error>(
        digits.size() == 16 && error == std::errc{} && end == digits.data() + digits.size(), file_,
        ": '", key, "' must be 16 hexadecimal digits, got '", digits, "'");
    return h;
  }
  // The enumerator whose name the member holds.
  template <class Enum, std::size_t N>
  [[nodiscard]] Enum named(std::string_view key,
                           const std::array<std::string_view, N>& names) const {
    const std::string& given = text(key);
    for (std::size_t i = 0; i < N; ++i)
      if (given == names[i]) return static_cast<Enum>(i);
    std::string known;
    for (const std::string_view name : names) known += concat(known.empty() ? "" : ", ", name);
    raise<format_error>(
        concat(file_, ": '", key, "' must be one of ", known, "; got '", given, "'"));
  }

 private:
  const value& object_;
  std::string_view file_;
};

// The same of a whole text's object, whose member `format` says what it is. Throws format_error for
// another.
[[nodiscard]] inline members members_of(const value& root, std::string_view file,
                                        std::string_view format) {
  const members m(root, file);
  require<format_error>(
      root.type == value::kind::object && m.has("format") && m.text("format") == format, file,
      ": expected an object whose \"format\" is \"", format, "\"");
  return m;
}

// What parse(text) makes of a file's text. Throws file_error when it cannot be read, and
// format_error for what `parse` refuses; the message names the file.
template <class Parse>
[[nodiscard]] auto load(const std::string& path, const Parse& parse) {
  const std::string text = read_file(path);
#if SPARSELLM_HAS_EXCEPTIONS
  try {
    return parse(text);
  } catch (const error& e) {
    raise<format_error>(concat("'", path, "': ", e.what()));
  }
#else
  return parse(text);
#endif
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::json
