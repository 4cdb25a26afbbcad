// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights on AVX-512 with VBMI2: one instruction expands 32 values of 16 bits or 64 of 8. The
// form that takes a register: with an operand in memory it is microcoded on Zen 4.

template <class T>
inline constexpr bool interleaved_lanes = std::is_same_v<T, bfloat16>;
inline constexpr std::size_t nm_outputs_at_once = 8;  // 16 sums of 32 registers

// At most 16 values: half a line is loaded.
template <std::size_t Eight>
SPARSELLM_INLINE __m512i expand_words(const void* v, std::uint32_t mask) noexcept {
  if constexpr (Eight != 0 && Eight <= 4)
    return _mm512_maskz_expand_epi16(mask, _mm512_maskz_loadu_epi64(0xf, v));
  else
    return _mm512_maskz_expand_epi16(mask, _mm512_loadu_si512(v));
}
template <std::size_t Eight>
SPARSELLM_INLINE void expand_lanes(const float* v, std::uint32_t mask, vfloat* out) noexcept {
  avx512::expand_lanes<Eight>(v, mask, out);
}
// The lanes of two halves stay in order: the low 16 lanes, then the high ones.
template <std::size_t Eight>
SPARSELLM_INLINE void expand_lanes(const half* v, std::uint32_t mask, vfloat* out) noexcept {
  const __m512i words = expand_words<Eight>(v, mask);
  out[0] = _mm512_maskz_cvtph_ps(every_lane, _mm512_maskz_extracti64x4_epi64(0xf, words, 0));
  out[1] = _mm512_maskz_cvtph_ps(every_lane, _mm512_maskz_extracti64x4_epi64(0xf, words, 1));
}
// Even lanes, then odd ones.
template <std::size_t Eight>
SPARSELLM_INLINE void expand_lanes(const bfloat16* v, std::uint32_t mask, vfloat* out) noexcept {
  const __m512i words = expand_words<Eight>(v, mask);
  out[0] = _mm512_castsi512_ps(high_half(words));
  out[1] = _mm512_castsi512_ps(
      _mm512_and_si512(words, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}

// N:M weights of levels by vpdpbusd, unsigned weights by signed activations: levels are kept as
// level + 128, lanes without one as 128, and 128 times the sum of the activations taken off. A
// 16-bit activation is 256 · high + low.
inline constexpr std::size_t level_vectors = 1, level_outputs_at_once = 8;
struct level_sum {
  __m512i high, low;
};
struct level_bias {
  __m512i high, low;
};
SPARSELLM_INLINE level_sum no_levels() noexcept {
  return {_mm512_setzero_si512(), _mm512_setzero_si512()};
}
SPARSELLM_INLINE level_bias no_bias() noexcept {
  return {_mm512_setzero_si512(), _mm512_setzero_si512()};
}
// [64 high bytes][64 low bytes]
SPARSELLM_INLINE void put_levels(const std::int32_t* level, std::byte* out) noexcept {
  for (std::size_t l = 0; l < 64; l += 16) {
    const __m512i levels = _mm512_loadu_si512(level + l);
    const __m512i rounded = _mm512_add_epi32(levels, _mm512_set1_epi32(128));
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(out + l),
        _mm512_maskz_cvtepi32_epi8(every_lane, _mm512_maskz_srai_epi32(every_lane, rounded, 8)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 64 + l),
                     _mm512_maskz_cvtepi32_epi8(every_lane, levels));
  }
}
SPARSELLM_INLINE void add_bias(const std::byte* x, level_bias& bias) noexcept {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(128));
  bias.high = _mm512_dpbusd_epi32(bias.high, offset, _mm512_loadu_si512(x));
  bias.low = _mm512_dpbusd_epi32(bias.low, offset, _mm512_loadu_si512(x + 64));
}
template <std::size_t Eight>
SPARSELLM_INLINE void add_levels(const std::int8_t* v, std::uint64_t mask, const std::byte* x,
                                 level_sum& sum) noexcept {
  // Flipping the top bit adds 128; expansion leaves 0 where there is no level.
  __m512i packed;
  if constexpr (Eight != 0 && Eight <= 4)
    packed = _mm512_maskz_loadu_epi64(0xf, v);
  else
    packed = _mm512_loadu_si512(v);
  const __m512i w = _mm512_xor_si512(_mm512_maskz_expand_epi8(mask, packed),
                                     _mm512_set1_epi8(static_cast<char>(128)));
  sum.high = _mm512_dpbusd_epi32(sum.high, w, _mm512_loadu_si512(x));
  sum.low = _mm512_dpbusd_epi32(sum.low, w, _mm512_loadu_si512(x + 64));
}
SPARSELLM_INLINE void finish_levels(const level_sum& sum, const level_bias& bias,
                                    vfloat* out) noexcept {
  const __m512i high = _mm512_sub_epi32(sum.high, bias.high);
  const __m512i low = _mm512_sub_epi32(sum.low, bias.low);
  out[0] = _mm512_maskz_cvtepi32_ps(
      every_lane, _mm512_add_epi32(_mm512_maskz_slli_epi32(every_lane, high, 8), low));
}
SPARSELLM_INLINE void put_in_order(const vfloat* total, float* out) noexcept {
  store(out, total[0]);
}

// Channel bitmaps of levels. Eight channels are added at a time, as two fours whose bytes are
// interleaved so that one vpdpbusd adds the four channels of an output. The outputs of a word stand
// in four vectors, in the order that the interleaving leaves them in.
inline constexpr std::size_t bitmap_channels_at_once = 8;

struct level_four {
  const std::uint64_t* mask[4];
  const std::int8_t* v[4];
  __m512i high, low;  // the four activations, in every lane
};

SPARSELLM_INLINE void interleave_word(level_four& f, std::size_t word, __m512i* out) noexcept {
  __m512i channel[4];
  for (std::size_t k = 0; k < 4; ++k) {
    const std::uint64_t bits = f.mask[k][word];
    channel[k] = _mm512_xor_si512(_mm512_maskz_expand_epi8(bits, _mm512_loadu_si512(f.v[k])),
                                  _mm512_set1_epi8(static_cast<char>(128)));
    f.v[k] += __builtin_popcountll(bits);
  }
  const __m512i low01 = _mm512_unpacklo_epi8(channel[0], channel[1]);
  const __m512i high01 = _mm512_unpackhi_epi8(channel[0], channel[1]);
  const __m512i low23 = _mm512_unpacklo_epi8(channel[2], channel[3]);
  const __m512i high23 = _mm512_unpackhi_epi8(channel[2], channel[3]);
  out[0] = _mm512_unpacklo_epi16(low01, low23);
  out[1] = _mm512_unpackhi_epi16(low01, low23);
  out[2] = _mm512_unpacklo_epi16(high01, high23);
  out[3] = _mm512_unpackhi_epi16(high01, high23);
}
