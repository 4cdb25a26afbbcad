// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The shapes that kernels give AMX's tiles before they use them: what ldtilecfg reads. Constants,
// for the compiler does not know that it reads all 64 bytes (g++ 12).
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail {

// Rows of 64 bytes, `rows` of each tile.
struct tile_shapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(tile_shapes) == 64);

// For n tokens, up to 16: n rows in tiles 0 to 4, sums and tokens, and 16 in tiles 5 to 7.
struct tile_shapes_for {
  alignas(64) tile_shapes tokens[17] = {};
  constexpr tile_shapes_for() noexcept {
    for (std::size_t n = 0; n <= 16; ++n)
      for (std::size_t i = 0; i < 8; ++i)
        tokens[n].rows[i] = i < 5 ? static_cast<std::uint8_t>(n) : std::uint8_t{16};
  }
};
inline constexpr tile_shapes_for shapes_for{};

}  // namespace sparsellm::inline v0::detail
