// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of levels through VNNI's vpdpbusd, unsigned weights by signed activations: a 16-bit
// activation is 256 · high + low, both signed bytes, each with its own sum.

struct vlevels {
  __m512i high, low;
};
struct vsum {
  __m512i high, low;
};
SPARSELLM_INLINE vsum zero_sum() noexcept {
  return {_mm512_setzero_si512(), _mm512_setzero_si512()};
}
// Four times four levels; the high bytes of each four become one word and the low bytes another.
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  const __m512i levels = _mm512_loadu_si512(level);
  const __m512i rounded = _mm512_add_epi32(levels, _mm512_set1_epi32(128));
  const __m128i low = _mm512_maskz_cvtepi32_epi8(every_lane, levels);
  const __m128i high =
      _mm512_maskz_cvtepi32_epi8(every_lane, _mm512_maskz_srai_epi32(every_lane, rounded, 8));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(word), _mm_unpacklo_epi32(high, low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(word + 4), _mm_unpackhi_epi32(high, low));
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {_mm512_set1_epi32(static_cast<int>(word[0])),
          _mm512_set1_epi32(static_cast<int>(word[1]))};
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  return {_mm512_dpbusd_epi32(sum.high, w, x.high), _mm512_dpbusd_epi32(sum.low, w, x.low)};
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  const __m512i high = _mm512_maskz_slli_epi32(every_lane, sum.high, 8);
  return _mm512_maskz_cvtepi32_ps(
      every_lane, _mm512_add_epi32(_mm512_add_epi32(high, sum.low), _mm512_set1_epi32(bias)));
}
