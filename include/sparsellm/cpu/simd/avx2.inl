// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary on AVX2 + FMA + F16C: 8 lanes, 16 registers.
//   vfmadd231ps   4 cycles, 2 a cycle (Zen 2 on, Haswell on)
//   vpslld, vpand 1 cycle                  two of them widen 16 bfloat16
//   vcvtph2ps     5-7 cycles, 1 a cycle    widens 8 half

using vfloat = __m256;
inline constexpr std::size_t lanes = 8;
inline constexpr std::size_t gemv_groups = 2;  // 8 accumulators: latency 4 × 2 a cycle
inline constexpr std::size_t gemm_tokens = 6;  // 12 accumulators, 2 weights, 1 broadcast of 16

SPARSELLM_INLINE vfloat zero() noexcept { return _mm256_setzero_ps(); }
SPARSELLM_INLINE vfloat broadcast(float x) noexcept { return _mm256_set1_ps(x); }
SPARSELLM_INLINE vfloat load(const float* p) noexcept { return _mm256_loadu_ps(p); }
SPARSELLM_INLINE void store(float* p, vfloat v) noexcept { _mm256_storeu_ps(p, v); }
SPARSELLM_INLINE vfloat add(vfloat a, vfloat b) noexcept { return _mm256_add_ps(a, b); }
SPARSELLM_INLINE vfloat mul_add(vfloat a, vfloat b, vfloat c) noexcept {
  return _mm256_fmadd_ps(a, b, c);
}

SPARSELLM_INLINE vfloat load_row(const float* p) noexcept { return load(p); }
SPARSELLM_INLINE vfloat load_row(const half* p) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
SPARSELLM_INLINE vfloat load_row(const bfloat16* p) noexcept {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

template <class T>
SPARSELLM_INLINE void load_group(const T* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  low = load_row(brick + i);
  high = load_row(brick + 16 + i);
}
SPARSELLM_INLINE void load_group(const bfloat16* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(brick + 2 * i));
  low = _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
  high = _mm256_castsi256_ps(
      _mm256_and_si256(words, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}

SPARSELLM_INLINE std::size_t compact(const float* x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  return compact_scalar(x, scale, tau, first, last, index, value);
}
