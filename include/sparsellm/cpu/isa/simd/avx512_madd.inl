// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of levels on AVX-512 without VNNI: even and odd channels are widened to 16 bits and
// multiplied by vpmaddwd.

struct vlevels {
  __m512i even, odd;
};
using vsum = __m512i;
SPARSELLM_INLINE vsum zero_sum() noexcept { return _mm512_setzero_si512(); }
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  pack_even_odd(level, word);
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {_mm512_set1_epi32(static_cast<int>(word[0])),
          _mm512_set1_epi32(static_cast<int>(word[1]))};
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  const __m512i even = _mm512_and_si512(w, _mm512_set1_epi16(0xff));
  const __m512i odd = _mm512_srli_epi16(w, 8);
  return _mm512_add_epi32(
      sum, _mm512_add_epi32(_mm512_madd_epi16(even, x.even), _mm512_madd_epi16(odd, x.odd)));
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  return _mm512_maskz_cvtepi32_ps(every_lane, _mm512_add_epi32(sum, _mm512_set1_epi32(bias)));
}
