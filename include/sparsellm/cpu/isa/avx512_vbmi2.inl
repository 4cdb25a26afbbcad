// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 with VNNI and VBMI2, which expands what N:M weights keep.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(avx512_vbmi2, avx512_vbmi2,
                  supported(isa::avx512_vnni) && detail::cpuid::bit(7, 0, 2, 6))
#else
SPARSELLM_ISA_ROW(avx512_vbmi2, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
#if !defined(SPARSELLM_KERNELS)
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi2")
namespace avx512_vbmi2 {
using avx512::add;
using avx512::add_neighbours;
using avx512::add_tree;
using avx512::broadcast;
using avx512::every_lane;
using avx512::gemm_tokens;
using avx512::high_half;
using avx512::lanes;
using avx512::load;
using avx512::mul_add;
using avx512::store;
using avx512::vfloat;
using avx512::zero;
#include "sparsellm/cpu/isa/simd/avx512_vbmi2.inl"
#include "sparsellm/cpu/isa/simd/rounding.inl"
#include "sparsellm/cpu/isa/simd/unrolled.inl"
#include "sparsellm/cpu/isa/simd/token_sums.inl"
}  // namespace avx512_vbmi2
SPARSELLM_TARGET_END
#elif SPARSELLM_FAMILY == SPARSELLM_FAMILY_NM || SPARSELLM_FAMILY == SPARSELLM_FAMILY_BITMAP
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi2")
namespace avx512_vbmi2 {
#define SPARSELLM_EXPANDS_BYTES
#include SPARSELLM_KERNELS
#undef SPARSELLM_EXPANDS_BYTES
}  // namespace avx512_vbmi2
SPARSELLM_TARGET_END
#else
namespace avx512_vbmi2 {
using avx512_vnni::SPARSELLM_FAMILY_TABLE;
}  // namespace avx512_vbmi2
#endif
#endif
