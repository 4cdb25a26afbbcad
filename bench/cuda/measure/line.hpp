// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One result as one line of JSON on standard output, out at once: what a run was stopped after is
// kept.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>

namespace bench {

class line {
 public:
  // What the line is: "row", "facts", "failed", ...
  explicit line(const std::string& kind) { text("kind", kind); }

  line& text(const char* key, const std::string& value) {
    begin(key);
    json_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\')
        (json_ += '\\') += c;
      else
        json_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    json_ += '"';
    return *this;
  }
  // null for what is no number.
  line& number(const char* key, double value) {
    char digits[32] = "null";
    if (std::isfinite(value)) std::snprintf(digits, sizeof digits, "%.9g", value);
    begin(key);
    json_ += digits;
    return *this;
  }
  line& count(const char* key, std::size_t value) {
    begin(key);
    json_ += std::to_string(value);
    return *this;
  }
  void print() const {
    std::printf("{%s}\n", json_.c_str());
    std::fflush(stdout);
  }

 private:
  void begin(const char* key) {
    if (!json_.empty()) json_ += ", ";
    ((json_ += '"') += key) += "\": ";
  }
  std::string json_;
};

}  // namespace bench
