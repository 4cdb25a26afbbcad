// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights on AVX-512 without VBMI2: values are widened to words first, which AVX-512F expands.
// Bytes, 8 at a time, are moved to their lanes by a table of the mask.

template <class T>
inline constexpr bool interleaved_lanes = false;
inline constexpr std::size_t nm_outputs_at_once = 8;  // 16 sums of 32 registers
SPARSELLM_INLINE __m512i load_words(const void* v) noexcept {
  return _mm512_maskz_cvtepu16_epi32(every_lane,
                                     _mm256_loadu_si256(static_cast<const __m256i*>(v)));
}
SPARSELLM_INLINE vfloat expand_sixteen(const float* v, __mmask16 mask) noexcept {
  return _mm512_maskz_expand_ps(mask, _mm512_loadu_ps(v));
}
SPARSELLM_INLINE vfloat expand_sixteen(const bfloat16* v, __mmask16 mask) noexcept {
  return _mm512_castsi512_ps(high_half(_mm512_maskz_expand_epi32(mask, load_words(v))));
}
SPARSELLM_INLINE vfloat expand_sixteen(const half* v, __mmask16 mask) noexcept {
  const __m512i words = _mm512_maskz_expand_epi32(mask, load_words(v));
  return _mm512_maskz_cvtph_ps(every_lane, _mm512_maskz_cvtepi32_epi16(every_lane, words));
}
template <std::size_t Eight, class T>
SPARSELLM_INLINE void expand_lanes(const T* v, std::uint32_t mask, vfloat* out) noexcept {
  out[0] = expand_sixteen(v, static_cast<__mmask16>(mask));
  out[1] =
      expand_sixteen(v + __builtin_popcount(mask & 0xffffu), static_cast<__mmask16>(mask >> 16));
}

// N:M weights of levels: even and odd lanes as 16-bit numbers, 16 sums of four lanes each.
inline constexpr std::size_t level_vectors = 1, level_outputs_at_once = 8;
struct level_sum {
  __m512i four;
};
struct level_bias {};
SPARSELLM_INLINE level_sum no_levels() noexcept { return {_mm512_setzero_si512()}; }
SPARSELLM_INLINE level_bias no_bias() noexcept { return {}; }
SPARSELLM_INLINE void add_bias(const std::byte*, level_bias&) noexcept {}
SPARSELLM_INLINE void put_levels(const std::int32_t* level, std::byte* out) noexcept {
  auto* const to = reinterpret_cast<std::int16_t*>(out);
  for (std::size_t l = 0; l < 32; ++l) {
    to[l] = static_cast<std::int16_t>(level[2 * l]);
    to[32 + l] = static_cast<std::int16_t>(level[2 * l + 1]);
  }
}
template <std::size_t Eight>
SPARSELLM_INLINE void add_levels(const std::int8_t* v, std::uint64_t mask, const std::byte* x,
                                 level_sum& sum) noexcept {
  alignas(64) std::int64_t eight[8];
  for (std::size_t s = 0; s < 8; ++s) {
    const std::size_t bits = (mask >> (8 * s)) & 255u;
    eight[s] = _mm_cvtsi128_si64(
        _mm_shuffle_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(v)),
                         _mm_loadl_epi64(reinterpret_cast<const __m128i*>(expand_bytes[bits]))));
    v += Eight != 0 ? Eight : expand_count[bits];
  }
  const __m512i w = _mm512_load_si512(eight);
  const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8);
  const __m512i odd = _mm512_srai_epi16(w, 8);
  sum.four = _mm512_add_epi32(sum.four,
                              _mm512_add_epi32(_mm512_madd_epi16(even, _mm512_loadu_si512(x)),
                                               _mm512_madd_epi16(odd, _mm512_loadu_si512(x + 64))));
}
SPARSELLM_INLINE void finish_levels(const level_sum& sum, const level_bias&, vfloat* out) noexcept {
  out[0] = _mm512_maskz_cvtepi32_ps(every_lane, sum.four);
}
SPARSELLM_INLINE void put_in_order(const vfloat* total, float* out) noexcept {
  store(out, total[0]);
}

// Channel bitmaps.
inline constexpr std::size_t bitmap_channels_at_once = 4;
using avx2::add_level_word;
