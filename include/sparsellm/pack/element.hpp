// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a weight is stored as, beside float, half and bfloat16: integer levels of 8 to 4 bits. An
// element says what a number is; a layout (panel, channel_major, row_major, n_of_m, channel_bitmap)
// says where it stands: channel_major<q4_1>, panel<bfloat16>, n_of_m<std::int8_t, 2, 4>.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace sparsellm::inline v0 {

// symmetric: w = scale · level, affine: w = scale · level + minimum, non_linear: w = scale · the
// level's number in a table of 16 (pack/non_linear_levels.hpp).
enum class quantization { symmetric, affine, non_linear };

// Blocks of `BlockChannels` input channels share a scale, and when affine a minimum, per output.
template <int Bits, std::size_t BlockChannels = 32, quantization Kind = quantization::symmetric>
struct quantized {
  static_assert(Bits == 8 || Bits == 5 || Bits == 4);
  static_assert(Bits == 4 || Kind != quantization::non_linear,
                "sparsellm: the table has 16 levels");
  // 128 channels of 8 bits times 16-bit activations are the most a 32-bit sum holds.
  static_assert(BlockChannels % 32 == 0 && BlockChannels >= 32 && BlockChannels <= 128);

  static constexpr int bits = Bits;
  static constexpr std::size_t block_channels = BlockChannels;
  static constexpr bool affine = Kind == quantization::affine;
  static constexpr bool non_linear = Kind == quantization::non_linear;
  // Levels, and a table's numbers, are stored unsigned; this one means 0.
  static constexpr int zero = affine ? 0 : non_linear ? 128 : 1 << (Bits - 1);
  static constexpr int top_level = (1 << Bits) - 1;
};

// GGUF's block formats of the same names.
using q8_0 = quantized<8>;
using q4_0 = quantized<4>;
using q4_1 = quantized<4, 32, quantization::affine>;
using q5_0 = quantized<5>;
using q5_1 = quantized<5, 32, quantization::affine>;
using iq4_nl = quantized<4, 32, quantization::non_linear>;

// GGUF's K-quants: 256 channels, a super-block, have a step for their blocks' scales, and a second
// one for the minima when affine; the scales and minima themselves are integers.
//   w = scale_step · scale · level + minimum_step · minimum
// Bits: 4 or 5 (affine, blocks of 32) or 6 (symmetric, blocks of 16).
template <int Bits>
struct super_block_quantized {
  static_assert(Bits >= 4 && Bits <= 6, "sparsellm: GGUF's super-blocks have 4, 5 or 6 bits");

  static constexpr int bits = Bits;
  static constexpr std::size_t block_channels = Bits == 6 ? 16 : 32;
  static constexpr bool affine = Bits != 6;
  static constexpr int zero = affine ? 0 : 1 << (Bits - 1);
  static constexpr int top_level = (1 << Bits) - 1;
};
// Channels of a super-block.
inline constexpr std::size_t super_block_channels = 256;

// GGUF's super-block formats of the same names.
using q4_k = super_block_quantized<4>;
using q5_k = super_block_quantized<5>;
using q6_k = super_block_quantized<6>;

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::detail {

// Whether T is `quantized<…>`.
template <class T>
inline constexpr bool is_quantized_element = false;
template <int Bits, std::size_t BlockChannels, quantization Kind>
inline constexpr bool is_quantized_element<quantized<Bits, BlockChannels, Kind>> = true;

template <class T>
inline constexpr bool is_super_block_element = false;
template <int Bits>
inline constexpr bool is_super_block_element<super_block_quantized<Bits>> = true;

}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0 {

// `quantized` of any bits, blocks and kind.
template <class T>
concept quantized_element = detail::is_quantized_element<T>;

// q4_k, q5_k or q6_k.
template <class T>
concept super_block_element = detail::is_super_block_element<T>;

// What the kept values of an N:M weight are stored as: a storage_scalar, or std::int8_t for levels
// from -127 to 127 with one scale per output.
template <class T>
concept sparse_element = storage_scalar<T> || std::same_as<T, std::int8_t>;

// The kind of an element type: float, half, bfloat16, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, q4_k,
// q5_k, q6_k or std::int8_t.
template <class T>
[[nodiscard]] constexpr element_kind kind_of() noexcept {
  if constexpr (std::is_same_v<T, float>) return element_kind::f32;
  if constexpr (std::is_same_v<T, half>) return element_kind::f16;
  if constexpr (std::is_same_v<T, bfloat16>) return element_kind::bf16;
  if constexpr (std::is_same_v<T, q8_0>) return element_kind::q8_0;
  if constexpr (std::is_same_v<T, q4_0>) return element_kind::q4_0;
  if constexpr (std::is_same_v<T, q4_1>) return element_kind::q4_1;
  if constexpr (std::is_same_v<T, q5_0>) return element_kind::q5_0;
  if constexpr (std::is_same_v<T, q5_1>) return element_kind::q5_1;
  if constexpr (std::is_same_v<T, iq4_nl>) return element_kind::iq4_nl;
  if constexpr (std::is_same_v<T, std::int8_t>) return element_kind::i8;
  if constexpr (std::is_same_v<T, q4_k>) return element_kind::q4_k;
  if constexpr (std::is_same_v<T, q5_k>) return element_kind::q5_k;
  if constexpr (std::is_same_v<T, q6_k>) return element_kind::q6_k;
}

}  // namespace sparsellm::inline v0
