// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers as model files keep them, the lowest byte first, whatever this machine does.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <vector>

namespace llama {

template <class T>
[[nodiscard]] std::array<std::byte, sizeof(T)> little_endian_bytes(T value) noexcept {
  auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
  if constexpr (std::endian::native == std::endian::big) std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

// Of the sizeof(T) bytes at p.
template <class T>
void append_number(std::vector<std::byte>& out, T value) {
  const auto bytes = little_endian_bytes(value);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <class T>
[[nodiscard]] T read_little_endian(const std::byte* p) noexcept {
  std::array<std::byte, sizeof(T)> bytes;
  std::copy_n(p, sizeof(T), bytes.begin());
  if constexpr (std::endian::native == std::endian::big) std::reverse(bytes.begin(), bytes.end());
  return std::bit_cast<T>(bytes);
}

}  // namespace llama
