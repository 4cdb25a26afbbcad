// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 with VNNI, which quantised weights use.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(avx512_vnni, avx512_vnni,
                  supported(isa::avx512) && detail::cpuid::bit(7, 0, 2, 11))
#else
SPARSELLM_ISA_ROW(avx512_vnni, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
#if !defined(SPARSELLM_KERNELS)
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
namespace avx512_vnni {
using avx512::add;
using avx512::broadcast;
using avx512::every_lane;
using avx512::four_channels;
using avx512::fours_at_once;
using avx512::interleave;
using avx512::lanes;
using avx512::level_offset;
using avx512::level_tokens;
using avx512::load;
using avx512::load_row;
using avx512::look_up;
using avx512::mul;
using avx512::mul_add;
using avx512::store;
using avx512::vbytes;
using avx512::vfloat;
using avx512::with_high;
#include "sparsellm/cpu/isa/simd/avx512_vnni.inl"
}  // namespace avx512_vnni
SPARSELLM_TARGET_END
#elif SPARSELLM_FAMILY == SPARSELLM_FAMILY_QUANTIZED
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
namespace avx512_vnni {
#include SPARSELLM_KERNELS
}  // namespace avx512_vnni
SPARSELLM_TARGET_END
#else
namespace avx512_vnni {
using avx512::SPARSELLM_FAMILY_TABLE;
}  // namespace avx512_vnni
#endif
#endif
