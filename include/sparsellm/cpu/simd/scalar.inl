// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary, one lane wide. std::fma, so that results agree to the bit with the sets
// that have a fused multiply-add; on machines without one it is slow, and right.

using vfloat = float;
inline constexpr std::size_t lanes = 1;
inline constexpr std::size_t gemv_groups = 1;  // output groups in flight in a dense product
inline constexpr std::size_t gemm_tokens = 4;  // tokens in flight in a batch

SPARSELLM_INLINE vfloat zero() noexcept { return 0.0f; }
SPARSELLM_INLINE vfloat broadcast(float x) noexcept { return x; }
SPARSELLM_INLINE vfloat load(const float* p) noexcept { return *p; }
SPARSELLM_INLINE void store(float* p, vfloat v) noexcept { *p = v; }
SPARSELLM_INLINE vfloat add(vfloat a, vfloat b) noexcept { return a + b; }
SPARSELLM_INLINE vfloat mul_add(vfloat a, vfloat b, vfloat c) noexcept { return std::fma(a, b, c); }

// Consecutive elements, widened.
template <class T>
SPARSELLM_INLINE vfloat load_row(const T* p) noexcept {
  return widen(*p);
}

// Outputs [i, i + lanes) and [16 + i, 16 + i + lanes) of a brick (pack/output_group.hpp).
template <class T>
SPARSELLM_INLINE void load_group(const T* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  low = widen(brick[slot_in_group<T>(i)]);
  high = widen(brick[slot_in_group<T>(16 + i)]);
}

SPARSELLM_INLINE std::size_t compact(const float* x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  return compact_scalar(x, scale, tau, first, last, index, value);
}
