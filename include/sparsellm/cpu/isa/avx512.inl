// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 F, BW, DQ and VL: x86-64-v4.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(avx512, avx512,
                  supported(isa::avx2) && detail::cpuid::saved(0xe6) &&
                      detail::cpuid::bit(7, 0, 1, 16) &&  // F
                      detail::cpuid::bit(7, 0, 1, 17) &&
                      detail::cpuid::bit(7, 0, 1, 30) &&  // DQ, BW
                      detail::cpuid::bit(7, 0, 1, 31))
#else
SPARSELLM_ISA_ROW(avx512, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
namespace avx512 {
#if defined(SPARSELLM_KERNELS)
#include SPARSELLM_KERNELS
#else
#include "sparsellm/cpu/isa/simd/avx512.inl"
#include "sparsellm/cpu/isa/simd/avx512_madd.inl"
#include "sparsellm/cpu/isa/simd/avx512_expand.inl"
#include "sparsellm/cpu/isa/simd/rounding.inl"
#include "sparsellm/cpu/isa/simd/unrolled.inl"
#include "sparsellm/cpu/isa/simd/token_sums.inl"
#endif
}  // namespace avx512
SPARSELLM_TARGET_END
#endif
