// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices of bfloat16 (FEAT_BF16, where FEAT_I8MM is in practice), which large batches
// of bfloat16 use.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_ARM64
SPARSELLM_ISA_ROW(neon_bf16, neon_bf16, supported(isa::neon_i8mm) && detail::arm::bit(2, 14))
#else
SPARSELLM_ISA_ROW(neon_bf16, scalar, false)
#endif
#elif SPARSELLM_ARCH_ARM64
#if defined(SPARSELLM_KERNELS) && SPARSELLM_FAMILY == SPARSELLM_FAMILY_BRICK
SPARSELLM_TARGET_BEGIN(SPARSELLM_ARM_EXTENSION("bf16"))
namespace neon_bf16 {
using neon::gemm_tokens;
using neon::merge_outputs;
using neon::store;
#include "sparsellm/cpu/kernels/brick/gemm_bfmmla.inl"
// One kernel differs from NEON's, for one type.
template <class T>
constexpr brick_table<T> brick_kernels_of() noexcept {
  brick_table<T> kernels = neon_i8mm::brick_kernels_of<T>();
  if constexpr (std::is_same_v<T, bfloat16>) kernels.gemm = &gemm_bfmmla<T>;
  return kernels;
}
}  // namespace neon_bf16
SPARSELLM_TARGET_END
#elif defined(SPARSELLM_KERNELS)
namespace neon_bf16 {
using neon_i8mm::SPARSELLM_FAMILY_TABLE;
}  // namespace neon_bf16
#endif
#endif
