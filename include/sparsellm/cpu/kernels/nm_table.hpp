// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for N:M weights of one element type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/nm_weight.hpp"

namespace sparsellm::inline v0::detail {

// Bytes of one token's input as kernels take it, whatever the instruction set: for each cell 64
// floats, or for levels two planes of bytes and the sums that make them signed; and a cache line
// for the scale of each chunk.
[[nodiscard]] constexpr std::size_t arranged_bytes(std::size_t cells) noexcept {
  constexpr std::size_t chunk = nm_tuning::chunk_cells;
  return cells * 256 + (cells + chunk - 1) / chunk * 64;
}

// Which brick type weights are expanded to for large batches: levels are exact in bfloat16.
template <class T>
struct expanded {
  using type = T;
};
template <>
struct expanded<std::int8_t> {
  using type = bfloat16;
};

template <class T>
struct nm_table {
  // out [arranged_bytes(w.cells())] = x [inputs] as `strips` takes it.
  void (*arrange)(const nm_weight<T>& w, const float* x, std::byte* out) noexcept;

  // sums [tokens][stride]: outputs 8 · s to 8 · s + 7, of strip s of the range, at column
  // 8 · (s - strips.first); token t's input at x + t · x_stride.
  void (*strips)(const nm_weight<T>& w, index_range strips, const std::byte* x,
                 std::size_t x_stride, std::size_t tokens, float* sums,
                 std::size_t stride) noexcept;

  // bricks [inputs][32] = four strips of w, the `strip`-th four, as a strip of bricks:
  // pack/brick_weight.hpp's order. Levels without their scale.
  void (*expand)(const nm_weight<T>& w, std::size_t strip,
                 typename expanded<T>::type* bricks) noexcept;
};

}  // namespace sparsellm::inline v0::detail
