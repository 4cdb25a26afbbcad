// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Any machine.

#if defined(SPARSELLM_ISA_ROW)
SPARSELLM_ISA_ROW(scalar, scalar, true)
#else
namespace scalar {
#if defined(SPARSELLM_KERNELS)
#include SPARSELLM_KERNELS
#else
#include "sparsellm/cpu/isa/simd/scalar.inl"
#include "sparsellm/cpu/isa/simd/rounding.inl"
#include "sparsellm/cpu/isa/simd/unrolled.inl"
#include "sparsellm/cpu/isa/simd/token_sums.inl"
#endif
}  // namespace scalar
#endif
