// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for weights of channel bitmaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/kernels/brick_table.hpp"
#include "sparsellm/cpu/kernels/nm_table.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::detail {

// Bytes that a product of `channels` active channels over `outputs` needs besides its sums: rounded
// activations, and integer sums.
[[nodiscard]] constexpr std::size_t bitmap_scratch(std::size_t outputs) noexcept {
  return bitmap_tuning::level_channels * sizeof(std::int32_t) +
         (outputs + bitmap_outputs) * sizeof(std::int32_t) + 64;
}

// The same of a batch: integer sums of every token, of levels.
template <class T>
[[nodiscard]] constexpr std::size_t bitmap_batch_scratch(std::size_t tokens,
                                                         std::size_t outputs) noexcept {
  return std::is_same_v<T, std::int8_t> ? tokens * outputs * sizeof(std::int32_t) : 0;
}

template <class T>
struct bitmap_table {
  // y [64 · number of words] = the sum over `active` of value · channel, outputs of words
  // [words.first, words.last). `ahead` entries from active.index on may be prefetched.
  void (*channels)(const bitmap_weight<T>& w, index_range words, active_view<> active,
                   std::size_t ahead, std::byte* scratch, float* y) noexcept;

  // bricks [number of strips][inputs][32] of strips of 32 outputs, as a panel of bricks:
  // pack/brick_weight.hpp's order. Zeros where nothing is kept, levels without their scale.
  void (*expand)(const bitmap_weight<T>& w, index_range strips,
                 typename expanded<T>::type* bricks) noexcept;

  // `channels` for a batch below bitmap_tuning::expanding_batch: sums [tokens][stride] = the sum
  // over the active channels of x · channel, x [active channels][tokens], zero where a token skips;
  // scratch as bitmap_batch_scratch() says. Null where levels are not expanded by one instruction.
  void (*batch)(const bitmap_weight<T>& w, index_range words, active_channels active,
                const float* x, std::size_t tokens, std::byte* scratch, float* sums,
                std::size_t stride) noexcept = nullptr;
};

}  // namespace sparsellm::inline v0::detail
