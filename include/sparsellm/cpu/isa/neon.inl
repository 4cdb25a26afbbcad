// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Armv8-A's Advanced SIMD, which every 64-bit Arm has.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_ARM64
SPARSELLM_ISA_ROW(neon, neon, true)
#else
// Elsewhere Arm's rows are the same line, in a switch of isa.hpp too.
SPARSELLM_ISA_ROW(neon, scalar, false)  // NOLINT(bugprone-branch-clone)
#endif
#elif SPARSELLM_ARCH_ARM64
namespace neon {
#if defined(SPARSELLM_KERNELS)
#include SPARSELLM_KERNELS
#else
#include "sparsellm/cpu/isa/simd/neon.inl"
#include "sparsellm/cpu/isa/simd/rounding.inl"
#include "sparsellm/cpu/isa/simd/unrolled.inl"
#include "sparsellm/cpu/isa/simd/token_sums.inl"
#endif
}  // namespace neon
#endif
