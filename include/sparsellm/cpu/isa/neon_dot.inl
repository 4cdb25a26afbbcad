// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Advanced SIMD with dot products of bytes (FEAT_DotProd: Cortex-A75 and Neoverse N1 on), which
// levels use.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_ARM64
SPARSELLM_ISA_ROW(neon_dot, neon_dot, detail::arm::bit(1, 20))  // ASIMDDP
#else
SPARSELLM_ISA_ROW(neon_dot, scalar, false)
#endif
#elif SPARSELLM_ARCH_ARM64
#if !defined(SPARSELLM_KERNELS)
SPARSELLM_TARGET_BEGIN(SPARSELLM_ARM_EXTENSION("dotprod"))
namespace neon_dot {
using neon::add;
using neon::broadcast;
using neon::four_channels;
using neon::fours_at_once;
using neon::lanes;
using neon::load;
using neon::load_row;
using neon::mul;
using neon::mul_add;
using neon::put_in_order;
using neon::split_levels;
using neon::store;
using neon::vbytes;
using neon::vfloat;
using neon::with_high;
using neon::zero;
#include "sparsellm/cpu/isa/simd/neon_dot.inl"
#include "sparsellm/cpu/isa/simd/rounding.inl"
#include "sparsellm/cpu/isa/simd/unrolled.inl"
}  // namespace neon_dot
SPARSELLM_TARGET_END
#elif SPARSELLM_FAMILY == SPARSELLM_FAMILY_QUANTIZED
SPARSELLM_TARGET_BEGIN(SPARSELLM_ARM_EXTENSION("dotprod"))
namespace neon_dot {
#include SPARSELLM_KERNELS
}  // namespace neon_dot
SPARSELLM_TARGET_END
#elif SPARSELLM_FAMILY == SPARSELLM_FAMILY_NM
SPARSELLM_TARGET_BEGIN(SPARSELLM_ARM_EXTENSION("dotprod"))
namespace neon_dot {
#include "sparsellm/cpu/kernels/nm/next_strip.inl"
#include "sparsellm/cpu/kernels/nm/levels.inl"
// Two kernels differ from NEON's, for one type.
template <class T>
constexpr nm_table<T> nm_kernels_of() noexcept {
  nm_table<T> kernels = neon::nm_kernels_of<T>();
  if constexpr (std::is_same_v<T, std::int8_t>) {
    kernels.arrange = &arrange_levels;
    kernels.strips = &level_strips<T>;
  }
  return kernels;
}
}  // namespace neon_dot
SPARSELLM_TARGET_END
#else
namespace neon_dot {
using neon::SPARSELLM_FAMILY_TABLE;
}  // namespace neon_dot
#endif
#endif
