// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AVX2 with VNNI in VEX's encoding, which processors without AVX-512 have (Alder Lake on), and
// which quantised weights use.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(avx_vnni, avx_vnni, supported(isa::avx2) && detail::cpuid::bit(7, 1, 0, 4))
#else
SPARSELLM_ISA_ROW(avx_vnni, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
#if !defined(SPARSELLM_KERNELS)
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avxvnni")
namespace avx_vnni {
using avx2::add;
using avx2::broadcast;
using avx2::four_channels;
using avx2::fours_at_once;
using avx2::interleave;
using avx2::lanes;
using avx2::level_offset;
using avx2::level_tokens;
using avx2::load;
using avx2::load_row;
using avx2::look_up;
using avx2::mul;
using avx2::mul_add;
using avx2::store;
using avx2::vbytes;
using avx2::vfloat;
using avx2::with_high;
#include "sparsellm/cpu/isa/simd/avx_vnni.inl"
}  // namespace avx_vnni
SPARSELLM_TARGET_END
#elif SPARSELLM_FAMILY == SPARSELLM_FAMILY_QUANTIZED
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avxvnni")
namespace avx_vnni {
#include SPARSELLM_KERNELS
}  // namespace avx_vnni
SPARSELLM_TARGET_END
#else
namespace avx_vnni {
using avx2::SPARSELLM_FAMILY_TABLE;
}  // namespace avx_vnni
#endif
#endif
