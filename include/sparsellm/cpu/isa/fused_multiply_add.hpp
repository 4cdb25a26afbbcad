// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// a · b + c rounded once, where std::fma cannot be trusted with it.
#pragma once

#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/target.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// In double the product is exact, so only the sum is rounded; rounded to odd instead of to even, it
// never lies halfway between two floats by mistake, and rounding it to float is the one that counts
// (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008).
SPARSELLM_INLINE float fused_in_double(float a, float b, float c) noexcept {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const auto addend = static_cast<double>(c);
  const double sum = product + addend;
  const double of_addend = sum - product;
  const double lost = (product - (sum - of_addend)) + (addend - of_addend);
  auto bits = __builtin_bit_cast(std::uint64_t, sum);
  // NaN is neither, and then so is what was lost.
  if ((lost < 0 || lost > 0) && (bits & 1u) == 0) bits += (lost > 0) == (sum > 0) ? 1 : ~0ull;
  return static_cast<float>(__builtin_bit_cast(double, bits));
}

SPARSELLM_INLINE float fused_multiply_add(float a, float b, float c) noexcept {
#if SPARSELLM_HAS_FUSED_FMA
  return __builtin_fmaf(a, b, c);
#else
  return fused_in_double(a, b, c);
#endif
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
