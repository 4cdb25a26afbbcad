// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Channels of levels by byte expansion and vpdpbusd. Included before bitmap.inl. Levels count as
// level + 128, and 128 times the sum of the activations is the bias that comes off at the end;
// sums wrap, and what is left after the bias fits.

// pair [2] = the high and the low bytes of four activations, of which `count` are there.
SPARSELLM_INLINE void level_bytes(const std::int32_t* level, std::size_t count,
                                  std::int32_t* pair) noexcept {
  std::uint32_t high = 0, low = 0;
  for (std::size_t k = 0; k < count; ++k) {
    high |= (static_cast<std::uint32_t>((level[k] + 128) >> 8) & 255u) << (8 * k);
    low |= (static_cast<std::uint32_t>(level[k]) & 255u) << (8 * k);
  }
  pair[0] = static_cast<std::int32_t>(high);
  pair[1] = static_cast<std::int32_t>(low);
}

// What all weights' 128 add to a sum.
SPARSELLM_INLINE std::int32_t level_bias_of(const std::int32_t* level, std::size_t count) noexcept {
  std::int32_t total = 0;
  for (std::size_t i = 0; i < count; ++i) total += level[i];
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(total) * 128u);
}

// A word's sums in the order of its outputs: vector q, lane 4 a + b of `sums` is output
// 16 a + 4 q + b.
SPARSELLM_INLINE void ordered_word(const std::int32_t* sums, __m512i* out) noexcept {
  __m512i q[4];
  for (std::size_t i = 0; i < 4; ++i) q[i] = _mm512_loadu_si512(sums + 16 * i);
  const __m512i low01 = _mm512_maskz_shuffle_i32x4(every_lane, q[0], q[1], 0x44);
  const __m512i low23 = _mm512_maskz_shuffle_i32x4(every_lane, q[2], q[3], 0x44);
  const __m512i high01 = _mm512_maskz_shuffle_i32x4(every_lane, q[0], q[1], 0xee);
  const __m512i high23 = _mm512_maskz_shuffle_i32x4(every_lane, q[2], q[3], 0xee);
  out[0] = _mm512_maskz_shuffle_i32x4(every_lane, low01, low23, 0x88);
  out[1] = _mm512_maskz_shuffle_i32x4(every_lane, low01, low23, 0xdd);
  out[2] = _mm512_maskz_shuffle_i32x4(every_lane, high01, high23, 0x88);
  out[3] = _mm512_maskz_shuffle_i32x4(every_lane, high01, high23, 0xdd);
}

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
  bias = level_bias_of(level, active.count);
  for (std::size_t i = 0; i < active.count; i += 8) {
    level_four four[2];
    const std::size_t left = active.count - i;
    for (std::size_t k = 0; k < 8; ++k) {  // what is missing repeats the last channel with level 0
      const std::size_t at = k < left ? i + k : active.count - 1;
      four[k / 4].mask[k % 4] = w.mask(active.index[at]);
      four[k / 4].v[k % 4] = values_at(w, active.index[at], words.first);
    }
    for (std::size_t f = 0; f < 2; ++f) {
      std::int32_t pair[2];
      const std::size_t there = left < 4 * f ? 0 : left - 4 * f;
      level_bytes(level + i + 4 * f, there < 4 ? there : 4, pair);
      four[f].high = _mm512_set1_epi32(pair[0]);
      four[f].low = _mm512_set1_epi32(pair[1]);
    }
    const channels_ahead<8, T> far(w, active.index + i, left < 8 ? left : 8, ahead - i, words);
    if (left > 4)
      add_level_fours<2>(four, words, far, sums);
    else
      add_level_fours<1>(four, words, far, sums);
  }
  const std::size_t n = (words.last - words.first) * bitmap_outputs;
  for (std::int32_t* at = sums; at != sums + n; at += bitmap_outputs) {
    __m512i word[4];
    ordered_word(at, word);
    for (std::size_t q = 0; q < 4; ++q) _mm512_storeu_si512(at + 16 * q, word[q]);
  }
}
