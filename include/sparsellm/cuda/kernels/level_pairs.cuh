// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Pairs of levels as bfloat16, which holds them exactly: without a conversion, by putting their
// bits into the digits of 128.
#pragma once

#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// a - b of two bfloat16; a fused multiply-add, which compute capability 8.0 has.
__device__ inline std::uint32_t subtract_pair(std::uint32_t a, std::uint32_t b) {
  std::uint32_t difference;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;"
      : "=r"(difference)
      : "r"(a), "r"(0x3f803f80u), "r"(b ^ 0x80008000u));
  return difference;
}
// The bytes 0 and 2 of a word, less 128, as two bfloat16: seven bits are the digits of 128, and the
// eighth says whether 128 or 256 is too much.
__device__ inline std::uint32_t bytes_to_pair(std::uint32_t word) {
  const std::uint32_t low = (word & 0x007f007fu) | 0x43004300u;    // 128 + seven bits
  const std::uint32_t over = (~word & 0x00800080u) | 0x43004300u;  // 128, or 256
  return subtract_pair(low, over);
}
// The low nibbles of the bytes 0 and 2 of a word, less Zero, as two bfloat16.
template <int Zero>
__device__ std::uint32_t nibbles_to_pair(std::uint32_t word) {
  constexpr std::uint32_t over = 0x4300u + Zero;  // 128 + Zero
  return subtract_pair((word & 0x000f000fu) | 0x43004300u, over | over << 16);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
