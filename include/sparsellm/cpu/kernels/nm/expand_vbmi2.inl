// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Bricks of bfloat16 from an N:M weight on sets that expand 16-bit values by a mask: 32 channels of
// each of 32 outputs at a time. Outputs j and j + 16 are interleaved to words, as a brick has them,
// and 16 outputs' words of 16 channels are transposed. Beside AMX's arithmetic, moving one value at
// a time would show.

// Lanes [32 · h, 32 · h + 32) of an output, 0 where nothing is kept.
SPARSELLM_INLINE __m512i expand_output(const bfloat16* v, std::uint64_t mask,
                                       std::size_t h) noexcept {
  const auto low = static_cast<std::uint32_t>(mask);
  return h == 0 ? _mm512_maskz_expand_epi16(low, _mm512_loadu_si512(v))
                : _mm512_maskz_expand_epi16(static_cast<std::uint32_t>(mask >> 32),
                                            _mm512_loadu_si512(v + __builtin_popcount(low)));
}
// Levels are exact in bfloat16: the lower half of each float is zero.
SPARSELLM_INLINE __m256i bfloat16_of(__m128i levels) noexcept {
  const __m512 floats =
      _mm512_maskz_cvtepi32_ps(every_lane, _mm512_maskz_cvtepi8_epi32(every_lane, levels));
  return _mm512_maskz_cvtepi32_epi16(
      every_lane, _mm512_maskz_srli_epi32(every_lane, _mm512_castps_si512(floats), 16));
}
SPARSELLM_INLINE __m512i expand_output(const std::int8_t* v, std::uint64_t mask,
                                       std::size_t h) noexcept {
  const __m512i all = _mm512_maskz_expand_epi8(mask, _mm512_loadu_si512(v));
  const __m256i half_of = h == 0 ? _mm512_maskz_extracti64x4_epi64(0xf, all, 0)
                                 : _mm512_maskz_extracti64x4_epi64(0xf, all, 1);
  return _mm512_maskz_inserti64x4(
      0xff, _mm512_castsi256_si512(bfloat16_of(_mm256_castsi256_si128(half_of))),
      bfloat16_of(_mm256_extracti128_si256(half_of, 1)), 1);
}

// column[16] = row[16] of 32-bit words, transposed.
SPARSELLM_INLINE void transpose(const __m512i* row, __m512i* column) noexcept {
  __m512i fours[16];  // lane l of fours[4 i + q]: word 4 l + q of rows 4 i to 4 i + 3
  for (std::size_t i = 0; i < 16; i += 4) {
    const __m512i low01 = _mm512_maskz_unpacklo_epi32(every_lane, row[i], row[i + 1]);
    const __m512i high01 = _mm512_maskz_unpackhi_epi32(every_lane, row[i], row[i + 1]);
    const __m512i low23 = _mm512_maskz_unpacklo_epi32(every_lane, row[i + 2], row[i + 3]);
    const __m512i high23 = _mm512_maskz_unpackhi_epi32(every_lane, row[i + 2], row[i + 3]);
    fours[i] = _mm512_maskz_unpacklo_epi64(0xff, low01, low23);
    fours[i + 1] = _mm512_maskz_unpackhi_epi64(0xff, low01, low23);
    fours[i + 2] = _mm512_maskz_unpacklo_epi64(0xff, high01, high23);
    fours[i + 3] = _mm512_maskz_unpackhi_epi64(0xff, high01, high23);
  }
  for (std::size_t q = 0; q < 4; ++q) {
    const __m512i a = _mm512_maskz_shuffle_i32x4(every_lane, fours[q], fours[4 + q], 0x44);
    const __m512i b = _mm512_maskz_shuffle_i32x4(every_lane, fours[8 + q], fours[12 + q], 0x44);
    const __m512i c = _mm512_maskz_shuffle_i32x4(every_lane, fours[q], fours[4 + q], 0xee);
    const __m512i d = _mm512_maskz_shuffle_i32x4(every_lane, fours[8 + q], fours[12 + q], 0xee);
    column[q] = _mm512_maskz_shuffle_i32x4(every_lane, a, b, 0x88);
    column[4 + q] = _mm512_maskz_shuffle_i32x4(every_lane, a, b, 0xdd);
    column[8 + q] = _mm512_maskz_shuffle_i32x4(every_lane, c, d, 0x88);
    column[12 + q] = _mm512_maskz_shuffle_i32x4(every_lane, c, d, 0xdd);
  }
}

// T is bfloat16, or std::int8_t for levels without their scale. As expand_bricks().
template <class T>
inline void expand_bricks_by_mask(const nm_weight<T>& w, std::size_t strip,
                                  bfloat16* bricks) noexcept {
  constexpr std::size_t strips = brick_outputs / nm_strip_outputs;
  for (std::size_t b = 0; b < w.cells(); ++b) {
    const std::size_t first = b * w.span, left = w.shape.inputs - first;
    const std::size_t channels = left < w.span ? left : w.span;
    for (std::size_t h = 0; 32 * h < channels; ++h) {
      __m512i early[16], late[16];  // channels 0 to 3 of every 8, and 4 to 7
      for (std::size_t j = 0; j < 16; ++j) {
        __m512i pair[2];
        for (std::size_t i = 0; i < 2; ++i) {
          const std::size_t o = j + 16 * i, s = strip * strips + o / nm_strip_outputs,
                            r = o % nm_strip_outputs;
          pair[i] = s < w.strips() ? expand_output(w.values(s, b) + r * w.values_per_output,
                                                   w.masks(s, b)[r], h)
                                   : _mm512_setzero_si512();
        }
        early[j] = _mm512_unpacklo_epi16(pair[0], pair[1]);
        late[j] = _mm512_unpackhi_epi16(pair[0], pair[1]);
      }
      __m512i column[32];
      transpose(early, column);
      transpose(late, column + 16);
      bfloat16* const to = bricks + (first + 32 * h) * brick_outputs;
      for (std::size_t c = 0; c < 32 && 32 * h + c < channels; ++c)
        _mm512_storeu_si512(to + c * brick_outputs, column[c % 8 / 4 * 16 + c / 8 * 4 + c % 4]);
    }
  }
}
