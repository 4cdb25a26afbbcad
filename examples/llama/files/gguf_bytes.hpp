// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers and text as GGUF files have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "files/little_endian.hpp"

namespace llama {

template <class T>
void append_number(std::vector<std::byte>& out, T value) {
  const auto bytes = little_endian_bytes(value);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

inline void append_string(std::vector<std::byte>& out, std::string_view s) {
  append_number(out, std::uint64_t{s.size()});
  const auto* const bytes = reinterpret_cast<const std::byte*>(s.data());
  out.insert(out.end(), bytes, bytes + s.size());
}

}  // namespace llama
