// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// expand_brick() on sets that expand 16-bit values and bytes by a mask. Included before expand.inl.

SPARSELLM_INLINE void expand_brick(const float* v, std::uint32_t bits, float* brick) noexcept {
  vfloat e[2];
  expand_lanes<0>(v, bits, e);
  store(brick, e[0]);
  store(brick + 16, e[1]);
}
SPARSELLM_INLINE void expand_brick(const half* v, std::uint32_t bits, half* brick) noexcept {
  _mm512_storeu_si512(brick, expand_words<0>(v, bits));
}
// Outputs j and j + 16 become a word.
SPARSELLM_INLINE void expand_brick(const bfloat16* v, std::uint32_t bits,
                                   bfloat16* brick) noexcept {
  const __m512i halves =
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  _mm512_storeu_si512(
      brick, _mm512_maskz_permutexvar_epi16(~__mmask32{0}, halves, expand_words<0>(v, bits)));
}
SPARSELLM_INLINE __m512i floats_of(__m128i levels) noexcept {
  return _mm512_castps_si512(
      _mm512_maskz_cvtepi32_ps(every_lane, _mm512_maskz_cvtepi8_epi32(every_lane, levels)));
}
// Levels are exact in bfloat16: the lower half of each float is zero.
SPARSELLM_INLINE void expand_brick(const std::int8_t* v, std::uint32_t bits,
                                   bfloat16* brick) noexcept {
  const __m512i all = _mm512_maskz_expand_epi8(bits, _mm512_loadu_si512(v));
  const __m512i low = floats_of(_mm512_maskz_extracti32x4_epi32(0xf, all, 0));
  const __m512i high = floats_of(_mm512_maskz_extracti32x4_epi32(0xf, all, 1));
  _mm512_storeu_si512(brick, _mm512_or_si512(_mm512_maskz_srli_epi32(every_lane, low, 16), high));
}
