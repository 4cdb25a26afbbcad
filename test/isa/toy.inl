// An instruction set for the test: one lane, as scalar's.

#if defined(SPARSELLM_ISA_ROW)
SPARSELLM_ISA_ROW(toy, toy, true)
#else
namespace toy {
#if defined(SPARSELLM_KERNELS)
#include SPARSELLM_KERNELS
#else
#include "sparsellm/cpu/isa/simd/scalar.inl"
#include "sparsellm/cpu/isa/simd/rounding.inl"
#include "sparsellm/cpu/isa/simd/unrolled.inl"
#include "sparsellm/cpu/isa/simd/token_sums.inl"
#endif
}  // namespace toy
#endif
