// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AMX's tiles of bytes beside those of bfloat16, which large batches of quantised weights use.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(amx_int8, amx_int8,
                  supported(isa::amx_bf16) && detail::cpuid::bit(7, 0, 3, 25))  // AMX-INT8
#else
SPARSELLM_ISA_ROW(amx_int8, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
#if defined(SPARSELLM_KERNELS) && SPARSELLM_FAMILY == SPARSELLM_FAMILY_QUANTIZED
SPARSELLM_TARGET_BEGIN(
    "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")
namespace amx_int8 {
using avx512_vnni::add;
using avx512_vnni::add_blocks;
using avx512_vnni::broadcast;
using avx512_vnni::interleave_channels;
using avx512_vnni::load;
using avx512_vnni::minima_at;
using avx512_vnni::mul;
using avx512_vnni::mul_add;
using avx512_vnni::quantized_strips;
using avx512_vnni::scales_at;
using avx512_vnni::store;
using avx512_vnni::to_float;
using avx512_vnni::vbytes;
using avx512_vnni::vfloat;
using avx512_vnni::vsum;
using avx512_vnni::zero_of;
#include "sparsellm/cpu/kernels/quantized/tiles.inl"
// One kernel differs from VNNI's.
template <class W>
constexpr quantized_table<W> quantized_kernels_of() noexcept {
  quantized_table<W> kernels = avx512_vnni::quantized_kernels_of<W>();
  kernels.strips = &quantized_strips<W, &add_blocks_by_tiles<W> >;
  return kernels;
}
}  // namespace amx_int8
SPARSELLM_TARGET_END
#elif defined(SPARSELLM_KERNELS)
namespace amx_int8 {
using amx_bf16::SPARSELLM_FAMILY_TABLE;
}  // namespace amx_int8
#endif
#endif
