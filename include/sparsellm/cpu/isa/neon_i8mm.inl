// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Dot products of bytes and products of matrices of bytes (FEAT_I8MM: Neoverse V1 and N2,
// Cortex-A510 and Apple's M2 on), which quantised weights use.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_ARM64
SPARSELLM_ISA_ROW(neon_i8mm, neon_i8mm, supported(isa::neon_dot) && detail::arm::bit(2, 13))
#else
SPARSELLM_ISA_ROW(neon_i8mm, scalar, false)
#endif
#elif SPARSELLM_ARCH_ARM64
#if !defined(SPARSELLM_KERNELS)
SPARSELLM_TARGET_BEGIN(SPARSELLM_ARM_EXTENSION("i8mm"))
namespace neon_i8mm {
using neon::add;
using neon::broadcast;
using neon::lanes;
using neon::load;
using neon::load_row;
using neon::mul;
using neon::mul_add;
using neon::split_levels;
using neon::store;
using neon::vfloat;
#include "sparsellm/cpu/isa/simd/neon_i8mm.inl"
}  // namespace neon_i8mm
SPARSELLM_TARGET_END
#elif SPARSELLM_FAMILY == SPARSELLM_FAMILY_QUANTIZED
SPARSELLM_TARGET_BEGIN(SPARSELLM_ARM_EXTENSION("i8mm"))
namespace neon_i8mm {
#include SPARSELLM_KERNELS
}  // namespace neon_i8mm
SPARSELLM_TARGET_END
#else
namespace neon_i8mm {
using neon_dot::SPARSELLM_FAMILY_TABLE;
}  // namespace neon_i8mm
#endif
#endif
