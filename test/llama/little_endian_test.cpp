// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "files/little_endian.hpp"

#include <cstdint>

#include "catch2_any.hpp"

using namespace llama;

TEST_CASE("little_endian: the lowest byte is first, on every machine") {
  const auto whole = little_endian_bytes(std::uint32_t{0x01020304u});
  CHECK(whole == std::array{std::byte{4}, std::byte{3}, std::byte{2}, std::byte{1}});
  const auto real = little_endian_bytes(1.0f);  // 0x3f800000
  CHECK(real == std::array{std::byte{0}, std::byte{0}, std::byte{0x80}, std::byte{0x3f}});
  CHECK(read_little_endian<std::uint32_t>(whole.data()) == 0x01020304u);
  CHECK(read_little_endian<std::uint16_t>(whole.data() + 1) == 0x0203u);
  CHECK(read_little_endian<float>(real.data()) == 1.0f);
  CHECK(read_little_endian<std::uint8_t>(whole.data()) == 4);
}
