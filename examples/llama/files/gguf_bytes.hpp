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

// What GGUF's metadata says of a value before it.
namespace gguf_type {
enum value : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};
}  // namespace gguf_type

inline void append_string(std::vector<std::byte>& out, std::string_view s) {
  append_number(out, std::uint64_t{s.size()});
  const auto* const bytes = reinterpret_cast<const std::byte*>(s.data());
  out.insert(out.end(), bytes, bytes + s.size());
}

}  // namespace llama
