// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/pattern_name.hpp"

#include <charconv>

#include "sparsellm/core/error.hpp"

namespace llama {

std::string name(sparsellm::nm_pattern p) { return sparsellm::concat(p.n, ":", p.m); }

sparsellm::nm_pattern parse_pattern(const std::string& text) {
  sparsellm::nm_pattern p{0, 0};
  const char* const end = text.data() + text.size();
  const auto n = std::from_chars(text.data(), end, p.n);
  bool good = n.ec == std::errc{} && n.ptr != end && *n.ptr == ':';
  if (good) {
    const auto m = std::from_chars(n.ptr + 1, end, p.m);
    good = m.ec == std::errc{} && m.ptr == end;
  }
  sparsellm::require<sparsellm::value_error>(good, "N:M expected, as 2:4, got '", text, "'");
  check(p);
  return p;
}

}  // namespace llama
