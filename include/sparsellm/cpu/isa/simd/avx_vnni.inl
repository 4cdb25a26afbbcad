// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of levels through VNNI's vpdpbusd on 256 bits, as simd/avx512_vnni.inl: a 16-bit activation
// is 256 · high + low, both signed bytes, each with its own sum.
//   vpdpbusd  5 cycles, 2 per cycle (Alder Lake's P-cores)

struct vlevels {
  __m256i high, low;
};
struct vsum {
  __m256i high, low;
};
SPARSELLM_INLINE vsum zero_sum() noexcept {
  return {_mm256_setzero_si256(), _mm256_setzero_si256()};
}
// Four times four levels; the high bytes of each four become one word and the low bytes another.
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  const __m128i to_high =
      _mm_setr_epi8(1, 5, 9, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m128i to_low = _mm_setr_epi8(-1, -1, -1, -1, 0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1);
  for (std::size_t f = 0; f < 4; ++f) {
    const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(level + 4 * f));
    const __m128i rounded = _mm_add_epi32(four, _mm_set1_epi32(128));
    _mm_storel_epi64(
        reinterpret_cast<__m128i*>(word + 2 * f),
        _mm_or_si128(_mm_shuffle_epi8(rounded, to_high), _mm_shuffle_epi8(four, to_low)));
  }
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {_mm256_set1_epi32(static_cast<int>(word[0])),
          _mm256_set1_epi32(static_cast<int>(word[1]))};
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  return {_mm256_dpbusd_avx_epi32(sum.high, w, x.high), _mm256_dpbusd_avx_epi32(sum.low, w, x.low)};
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  return _mm256_cvtepi32_ps(_mm256_add_epi32(
      _mm256_add_epi32(_mm256_slli_epi32(sum.high, 8), sum.low), _mm256_set1_epi32(bias)));
}
