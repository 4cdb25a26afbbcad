// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading weights by whole words and making floats of them.
#pragma once

#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// In the widest loads that divide them, and not kept in the cache: a weight is read once a product.
template <unsigned Words>
__device__ void load_words(const void* from, std::uint32_t (&to)[Words]) {
  if constexpr (Words % 4 == 0) {
#pragma unroll
    for (unsigned i = 0; i < Words; i += 4) {
      const uint4 v = __ldcs(static_cast<const uint4*>(from) + i / 4);
      to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
    }
  } else if constexpr (Words % 2 == 0) {
#pragma unroll
    for (unsigned i = 0; i < Words; i += 2) {
      const uint2 v = __ldcs(static_cast<const uint2*>(from) + i / 2);
      to[i] = v.x, to[i + 1] = v.y;
    }
  } else {
#pragma unroll
    for (unsigned i = 0; i < Words; ++i) to[i] = __ldcs(static_cast<const unsigned*>(from) + i);
  }
}

__device__ inline float widen_half(std::uint32_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<std::uint16_t>(bits)));
  return value;
}

// Byte i of a word as a float without a conversion, which is a slow instruction: as the low bits of
// 2^23.
__device__ inline float byte_to_float(std::uint32_t word, unsigned i) {
  return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7440u | i)) - 0x1p23f;
}

// The nibble from bit `at` on, less `zero`: where it lies it is so many digits of 2^23.
__device__ inline float nibble_to_float(std::uint32_t word, unsigned at, float zero) {
  const std::uint32_t low = at < 20 ? word : word >> 16;
  const unsigned place = at < 20 ? at : at - 16;
  const float unit = __uint_as_float((127u - place) << 23);  // 2^-place
  std::uint32_t digits;  // (low & 15 << place) | 2^23 in one instruction, which ptxas makes two
  asm("lop3.b32 %0, %1, %2, %3, 0xea;"
      : "=r"(digits)
      : "r"(low), "r"(15u << place), "r"(0x4b000000u));
  return fmaf(__uint_as_float(digits), unit, -(0x1p23f * unit + zero));
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
