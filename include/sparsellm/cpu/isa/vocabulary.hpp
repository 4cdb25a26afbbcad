// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary of every instruction set the compiler knows (simd/), each in a namespace
// and a target region of its own. Kernels are written once on it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cpu/isa/expand_tables.hpp"
#include "sparsellm/cpu/isa/fused_multiply_add.hpp"
#include "sparsellm/cpu/isa/intrinsics.hpp"
#include "sparsellm/cpu/isa/target.hpp"
#include "sparsellm/cpu/isa/tile_shapes.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/non_linear_levels.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/pack/super_block_weight.hpp"

// The families of kernels: what SPARSELLM_FAMILY is while SPARSELLM_KERNELS is included.
#define SPARSELLM_FAMILY_VECTOR 1
#define SPARSELLM_FAMILY_BRICK 2
#define SPARSELLM_FAMILY_ROW 3
#define SPARSELLM_FAMILY_QUANTIZED 4
#define SPARSELLM_FAMILY_NM 5
#define SPARSELLM_FAMILY_BITMAP 6

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

SPARSELLM_INLINE void prefetch_l2(const void* p) noexcept { __builtin_prefetch(p, 0, 2); }

// Branch-free: the store always happens, the count says whether it stays.
SPARSELLM_INLINE std::size_t compact_scalar(activation_input x, const float* scale, float tau,
                                            std::size_t first, std::size_t last,
                                            std::uint32_t* index, float* value) noexcept {
  std::size_t n = 0;
  for (std::size_t c = first; c < last; ++c) {
    const float v = x.gain != nullptr ? x.x[c] * x.factor * x.gain[c] : x.x[c];
    const float score = std::fabs(v) * (scale != nullptr ? scale[c] : 1.0f);
    index[n] = static_cast<std::uint32_t>(c);
    value[n] = v;
    n += !(score <= tau) ? 1 : 0;
  }
  return n;
}

// Four times four levels, each four as two words of 16-bit levels: the even channels and the odd.
SPARSELLM_INLINE void pack_even_odd(const std::int32_t* level, std::uint32_t* word) noexcept {
  for (std::size_t f = 0; f < 4; ++f)
    for (std::size_t i = 0; i < 2; ++i)
      word[2 * f + i] = (static_cast<std::uint32_t>(level[4 * f + i]) & 0xffffu) |
                        static_cast<std::uint32_t>(level[4 * f + i + 2]) << 16;
}

#include "sparsellm/cpu/isa/list.inl"

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
