// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 with VNNI, VBMI2 and BF16, whose dot product large batches of bfloat16 use.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(avx512_bf16, avx512_bf16,
                  supported(isa::avx512_vbmi2) && detail::cpuid::bit(7, 1, 0, 5))
#else
SPARSELLM_ISA_ROW(avx512_bf16, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
#if defined(SPARSELLM_KERNELS) && SPARSELLM_FAMILY == SPARSELLM_FAMILY_BRICK
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
namespace avx512_bf16 {
using avx512::every_lane;
using avx512::gemm;
using avx512::gemm_tokens;
using avx512::high_half;
using avx512::load;
using avx512::store;
using avx512::token_groups;
using avx512::zero;
#include "sparsellm/cpu/isa/simd/unrolled.inl"
#include "sparsellm/cpu/kernels/brick/tile_walk.inl"
#include "sparsellm/cpu/kernels/brick/gemm_bf16.inl"
// One kernel differs from AVX-512's, for one type.
template <class T>
constexpr brick_table<T> brick_kernels_of() noexcept {
  brick_table<T> kernels = avx512::brick_kernels_of<T>();
  if constexpr (std::is_same_v<T, bfloat16>) kernels.gemm = &gemm_bf16<T>;
  return kernels;
}
}  // namespace avx512_bf16
SPARSELLM_TARGET_END
#elif defined(SPARSELLM_KERNELS)
namespace avx512_bf16 {
using avx512_vbmi2::SPARSELLM_FAMILY_TABLE;
}  // namespace avx512_bf16
#endif
#endif
