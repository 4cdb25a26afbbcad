// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for N:M weights of one element type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/kernel_table.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/masked_weight.hpp"
#include "sparsellm/pack/output_group.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// Blocks whose activations share a scale where they are rounded: 512 lanes.
inline constexpr std::size_t chunk_blocks = 8;

// Bytes of one token's input as kernels take it, whatever the instruction set: 64 floats a block,
// or for levels two planes of bytes and the sums that make them signed, and a line for each chunk's
// scale.
[[nodiscard]] constexpr std::size_t arranged_bytes(std::size_t blocks) noexcept {
  return blocks * 256 + (blocks + chunk_blocks - 1) / chunk_blocks * 64;
}

template <class T>
struct masked_table {
  // out [arranged_bytes(w.blocks())] = x [inputs] as `strips` takes it.
  void (*arrange)(const masked_weight<T>& w, const float* x, std::byte* out) noexcept;

  // sums [tokens][stride]: rows 8 · s to 8 · s + 7 of strip s of the range at column
  // 8 · (s - strips.first); token t's input at x + t · x_stride.
  void (*strips)(const masked_weight<T>& w, group_range strips, const std::byte* x,
                 std::size_t x_stride, std::size_t tokens, float* sums,
                 std::size_t stride) noexcept;
};

// Which brick type weights are expanded to for large batches: levels are exact in bfloat16.
template <class T>
struct expanded {
  using type = T;
};
template <>
struct expanded<std::int8_t> {
  using type = bfloat16;
};

// bricks [inputs][32] = output groups [4 · group strips] of w: pack/output_group.hpp's order.
// Levels without their scale.
template <class T>
inline void expand_group(const masked_weight<T>& w, std::size_t group,
                         typename expanded<T>::type* bricks) noexcept {
  using brick = typename expanded<T>::type;
  constexpr std::size_t strips = group_outputs / strip_rows;
  for (std::size_t i = 0; i < w.shape.inputs * group_outputs; ++i) bricks[i] = brick{};
  for (std::size_t s = 0; s < strips && group * strips + s < w.strips(); ++s)
    for (std::size_t b = 0; b < w.blocks(); ++b) {
      const std::uint64_t* const masks = w.masks(group * strips + s, b);
      const T* value = w.values(group * strips + s, b);
      const std::size_t first = b * w.span;
      const std::size_t left = w.shape.inputs - first;
      // Lanes past the last channel are kept as zeros.
      const std::uint64_t there = left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
      for (std::size_t r = 0; r < strip_rows; ++r, value += w.row_values) {
        brick* const to = bricks + first * group_outputs + slot_in_group<brick>(s * strip_rows + r);
        const T* v = value;
        for (std::uint64_t bits = masks[r] & there; bits != 0; bits &= bits - 1) {
          const auto lane = static_cast<std::size_t>(__builtin_ctzll(bits));
          if constexpr (std::is_same_v<T, std::int8_t>)
            to[lane * group_outputs] = narrow<bfloat16>(static_cast<float>(*v++));
          else
            to[lane * group_outputs] = *v++;
        }
      }
    }
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
