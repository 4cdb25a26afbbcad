// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AVX2 with FMA and F16C: x86-64-v3.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(avx2, avx2,
                  detail::cpuid::saved(0x6) && detail::cpuid::bit(7, 0, 1, 5) &&
                      detail::cpuid::bit(1, 0, 2, 12) &&  // AVX2, FMA
                      detail::cpuid::bit(1, 0, 2, 29))
#else
SPARSELLM_ISA_ROW(avx2, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c")
namespace avx2 {
#if defined(SPARSELLM_KERNELS)
#include SPARSELLM_KERNELS
#else
#include "sparsellm/cpu/isa/simd/avx2.inl"
#include "sparsellm/cpu/isa/simd/rounding.inl"
#include "sparsellm/cpu/isa/simd/unrolled.inl"
#include "sparsellm/cpu/isa/simd/token_sums.inl"
#endif
}  // namespace avx2
SPARSELLM_TARGET_END
#endif
