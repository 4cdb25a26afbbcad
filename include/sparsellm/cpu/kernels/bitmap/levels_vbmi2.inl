// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Channels of levels by byte expansion and vpdpbusd. Included before bitmap.inl. Levels count as
// level + 128, and 128 times the sum of the activations is the bias that comes off at the end;
// sums wrap, and what is left after the bias fits.

template <std::size_t Fours, class Far>
inline void add_level_fours(level_four* four, index_range words, const Far& far,
                            std::int32_t* sums) noexcept {
  for (std::size_t word = words.first; word < words.last; ++word, sums += bitmap_outputs) {
    far.prefetch(word);
    __m512i high[4], low[4];
    for (std::size_t q = 0; q < 4; ++q) {
      high[q] = _mm512_setzero_si512();
      low[q] = _mm512_loadu_si512(sums + 16 * q);
    }
    for (std::size_t f = 0; f < Fours; ++f) {
      __m512i w[4];
      interleave_word(four[f], word, w);
      for (std::size_t q = 0; q < 4; ++q) {
        high[q] = _mm512_dpbusd_epi32(high[q], w[q], four[f].high);
        low[q] = _mm512_dpbusd_epi32(low[q], w[q], four[f].low);
      }
    }
    for (std::size_t q = 0; q < 4; ++q)
      _mm512_storeu_si512(
          sums + 16 * q, _mm512_add_epi32(_mm512_maskz_slli_epi32(every_lane, high[q], 8), low[q]));
  }
}

template <class T>
inline void add_level_channels(const bitmap_weight<T>& w, index_range words, active_view<> active,
                               std::size_t ahead, const std::int32_t* level, std::int32_t* sums,
                               std::int32_t& bias) noexcept {
  std::int32_t total = 0;
  for (std::size_t i = 0; i < active.count; ++i) total += level[i];
  bias = static_cast<std::int32_t>(static_cast<std::uint32_t>(total) * 128u);
  for (std::size_t i = 0; i < active.count; i += 8) {
    level_four four[2];
    const std::size_t left = active.count - i;
    for (std::size_t k = 0; k < 8; ++k) {  // what is missing repeats the last channel with level 0
      const std::size_t at = k < left ? i + k : active.count - 1;
      four[k / 4].mask[k % 4] = w.mask(active.index[at]);
      four[k / 4].v[k % 4] = values_at(w, active.index[at], words.first);
    }
    for (std::size_t f = 0; f < 2; ++f) {
      std::uint32_t high = 0, low = 0;
      for (std::size_t k = 0; k < 4; ++k) {
        const std::int32_t l = 4 * f + k < left ? level[i + 4 * f + k] : 0;
        high |= (static_cast<std::uint32_t>((l + 128) >> 8) & 255u) << (8 * k);
        low |= (static_cast<std::uint32_t>(l) & 255u) << (8 * k);
      }
      four[f].high = _mm512_set1_epi32(static_cast<int>(high));
      four[f].low = _mm512_set1_epi32(static_cast<int>(low));
    }
    const channels_ahead<8, T> far(w, active.index + i, left < 8 ? left : 8, ahead - i, words);
    if (left > 4)
      add_level_fours<2>(four, words, far, sums);
    else
      add_level_fours<1>(four, words, far, sums);
  }
  // Vector q, lane 4 a + b of a word is output 16 a + 4 q + b.
  const std::size_t n = (words.last - words.first) * bitmap_outputs;
  for (std::int32_t* at = sums; at != sums + n; at += bitmap_outputs) {
    std::int32_t lane[bitmap_outputs];
    for (std::size_t q = 0; q < 4; ++q)
      for (std::size_t a = 0; a < 4; ++a)
        for (std::size_t b = 0; b < 4; ++b) lane[16 * a + 4 * q + b] = at[16 * q + 4 * a + b];
    for (std::size_t o = 0; o < bitmap_outputs; ++o) at[o] = lane[o];
  }
}
