// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary on AVX2 + FMA + F16C: 8 lanes, 16 registers.
//   vfmadd231ps   4 cycles, 2 per cycle (Zen 2 on, Haswell on)
//   vpslld, vpand 1 cycle                  two of them widen 16 bfloat16
//   vcvtph2ps     5-7 cycles, 1 per cycle  widens 8 half

using vfloat = __m256;
inline constexpr std::size_t lanes = 8;
inline constexpr std::size_t gemv_strips = 2;  // 8 accumulators: latency 4 × 2 per cycle
inline constexpr std::size_t gemm_tokens = 6;  // 12 accumulators, 2 weights, 1 broadcast of 16

SPARSELLM_INLINE vfloat zero() noexcept { return _mm256_setzero_ps(); }
SPARSELLM_INLINE vfloat broadcast(float x) noexcept { return _mm256_set1_ps(x); }
SPARSELLM_INLINE vfloat load(const float* p) noexcept { return _mm256_loadu_ps(p); }
SPARSELLM_INLINE void store(float* p, vfloat v) noexcept { _mm256_storeu_ps(p, v); }
SPARSELLM_INLINE vfloat add(vfloat a, vfloat b) noexcept { return _mm256_add_ps(a, b); }
SPARSELLM_INLINE vfloat mul(vfloat a, vfloat b) noexcept { return _mm256_mul_ps(a, b); }
SPARSELLM_INLINE vfloat div(vfloat a, vfloat b) noexcept { return _mm256_div_ps(a, b); }
SPARSELLM_INLINE vfloat mul_add(vfloat a, vfloat b, vfloat c) noexcept {
  return _mm256_fmadd_ps(a, b, c);
}

// 2^n for the integer n in the low bits of `shifted` = n + 1.5 · 2^23.
SPARSELLM_INLINE vfloat power_of_two(vfloat shifted) noexcept {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23),
                                              _mm256_set1_epi32(0x3f800000)));
}
// NaN stays NaN.
SPARSELLM_INLINE vfloat clamp(vfloat x, float low, float high) noexcept {
  return _mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), x));
}

SPARSELLM_INLINE vfloat load_row(const float* p) noexcept { return load(p); }
SPARSELLM_INLINE vfloat load_row(const half* p) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
SPARSELLM_INLINE vfloat load_row(const bfloat16* p) noexcept {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
SPARSELLM_INLINE vfloat load_row(const std::int8_t* p) noexcept {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

template <class T>
SPARSELLM_INLINE void load_brick(const T* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  low = load_row(brick + i);
  high = load_row(brick + 16 + i);
}
SPARSELLM_INLINE void load_brick(const bfloat16* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(brick + 2 * i));
  low = _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
  high = _mm256_castsi256_ps(
      _mm256_and_si256(words, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}

SPARSELLM_INLINE std::size_t compact(activation_input x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  return compact_scalar(x, scale, tau, first, last, index, value);
}

// Quantised weights: the levels of four channels, one output in each 32-bit lane. There is no byte
// dot product of 16-bit precision: even and odd channels are widened to 16 bits and multiplied by
// vpmaddwd.
template <int Bits>
inline constexpr std::int32_t level_offset = 0;  // what interleave() takes off every level
inline constexpr std::size_t level_tokens = 1;   // tokens in flight in a batch of levels
inline constexpr std::size_t fours_at_once = 1;  // fours of channels in vbytes and vlevels
using vbytes = __m256i;
struct vlevels {
  __m256i even, odd;
};
using vsum = __m256i;
SPARSELLM_INLINE vsum zero_sum() noexcept { return _mm256_setzero_si256(); }
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  pack_even_odd(level, word);
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {_mm256_set1_epi32(static_cast<int>(word[0])),
          _mm256_set1_epi32(static_cast<int>(word[1]))};
}
template <int Bits>
SPARSELLM_INLINE void interleave(const std::uint8_t* a, const std::uint8_t* b,
                                 const std::uint8_t* c, const std::uint8_t* d, std::size_t at,
                                 vbytes* out) noexcept {
  const __m256i r0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + at));
  const __m256i r1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + at));
  const __m256i r2 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c + at));
  const __m256i r3 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d + at));
  const __m256i low01 = _mm256_unpacklo_epi8(r0, r1), high01 = _mm256_unpackhi_epi8(r0, r1);
  const __m256i low23 = _mm256_unpacklo_epi8(r2, r3), high23 = _mm256_unpackhi_epi8(r2, r3);
  out[0] = _mm256_unpacklo_epi16(low01, low23);
  out[1] = _mm256_unpackhi_epi16(low01, low23);
  out[2] = _mm256_unpacklo_epi16(high01, high23);
  out[3] = _mm256_unpackhi_epi16(high01, high23);
  if constexpr (Bits == 4) {
    const __m256i nibble = _mm256_set1_epi8(15);
    for (std::size_t k = 0; k < 4; ++k) {
      out[4 + k] = _mm256_and_si256(_mm256_srli_epi16(out[k], 4), nibble);
      out[k] = _mm256_and_si256(out[k], nibble);
    }
  }
}
// A byte of each of four channels for every lane.
SPARSELLM_INLINE vbytes four_channels(const std::uint8_t* a, const std::uint8_t* b,
                                      const std::uint8_t* c, const std::uint8_t* d) noexcept {
  const __m128i r01 = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a)),
                                        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
  const __m128i r23 = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(c)),
                                        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(d)));
  return _mm256_set_m128i(_mm_unpackhi_epi16(r01, r23), _mm_unpacklo_epi16(r01, r23));
}
// Bits of `high`, moved up by Shift (down when negative), under Mask, beside those of the levels.
template <int Shift, int Mask>
SPARSELLM_INLINE vbytes with_high(vbytes level, vbytes high) noexcept {
  const __m256i moved = Shift >= 0 ? _mm256_slli_epi16(high, Shift >= 0 ? Shift : 0)
                                   : _mm256_srli_epi16(high, Shift < 0 ? -Shift : 0);
  return _mm256_or_si256(level, _mm256_and_si256(moved, _mm256_set1_epi8(Mask)));
}
// For each level below 16, the byte that `table` has in its place.
SPARSELLM_INLINE vbytes look_up(const std::uint8_t* table, vbytes level) noexcept {
  return _mm256_shuffle_epi8(
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table))), level);
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  const __m256i even = _mm256_and_si256(w, _mm256_set1_epi16(0xff));
  const __m256i odd = _mm256_srli_epi16(w, 8);
  return _mm256_add_epi32(
      sum, _mm256_add_epi32(_mm256_madd_epi16(even, x.even), _mm256_madd_epi16(odd, x.odd)));
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  return _mm256_cvtepi32_ps(_mm256_add_epi32(sum, _mm256_set1_epi32(bias)));
}

// N:M weights: 32 lanes in order, zeros where the mask has none, eight at a time: bytes are moved
// to their lanes by a table of the mask (vpshufb), or expanded by pdep.
template <class T>
inline constexpr bool interleaved_lanes = false;
inline constexpr std::size_t nm_outputs_at_once = 2;  // 8 sums of 16 registers
SPARSELLM_INLINE vfloat expand_eight(const float* v, std::size_t mask) noexcept {
  const __m256i at =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(expand_bytes[mask])));
  const __m256 moved = _mm256_permutevar8x32_ps(_mm256_loadu_ps(v), at);
  // 0xff marks a lane without a value.
  const __m256i none = _mm256_cmpgt_epi32(at, _mm256_set1_epi32(7));
  return _mm256_andnot_ps(_mm256_castsi256_ps(none), moved);
}
// Eight 16-bit values in the high halves of their lanes.
SPARSELLM_INLINE __m256i expand_high(const void* v, std::size_t mask) noexcept {
  const __m256i eight =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(v)));
  return _mm256_shuffle_epi8(
      eight, _mm256_load_si256(reinterpret_cast<const __m256i*>(expand_to_high[mask])));
}
SPARSELLM_INLINE vfloat expand_eight(const bfloat16* v, std::size_t mask) noexcept {
  return _mm256_castsi256_ps(expand_high(v, mask));
}
SPARSELLM_INLINE vfloat expand_eight(const half* v, std::size_t mask) noexcept {
  const __m256i words = _mm256_srli_epi32(expand_high(v, mask), 16);
  const __m256i packed = _mm256_packus_epi32(words, words);
  return _mm256_cvtph_ps(
      _mm_unpacklo_epi64(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
}
template <std::size_t Eight, class T>
SPARSELLM_INLINE void expand_lanes(const T* v, std::uint32_t mask, vfloat* out) noexcept {
  for (std::size_t s = 0; s < 4; ++s) {
    const std::size_t eight = (mask >> (8 * s)) & 255u;
    out[s] = expand_eight(v, eight);
    v += Eight != 0 ? Eight : expand_count[eight];
  }
}

// N:M weights of levels: 32 sums of two lanes each until a chunk ends, then 16 of four, which
// vphaddd leaves out of order.
inline constexpr std::size_t level_vectors = 2, level_outputs_at_once = 2;
struct level_sum {
  __m256i two[4];
};
struct level_bias {};
SPARSELLM_INLINE level_sum no_levels() noexcept {
  const __m256i none = _mm256_setzero_si256();
  return {{none, none, none, none}};
}
SPARSELLM_INLINE level_bias no_bias() noexcept { return {}; }
SPARSELLM_INLINE void add_bias(const std::byte*, level_bias&) noexcept {}
SPARSELLM_INLINE void put_levels(const std::int32_t* level, std::byte* out) noexcept {
  auto* const to = reinterpret_cast<std::int16_t*>(out);
  for (std::size_t l = 0; l < 64; ++l) to[l] = static_cast<std::int16_t>(level[l]);
}
template <std::size_t Eight>
SPARSELLM_INLINE void add_levels(const std::int8_t* v, std::uint64_t mask, const std::byte* x,
                                 level_sum& sum) noexcept {
  const auto* const level = reinterpret_cast<const std::int16_t*>(x);
  for (std::size_t s = 0; s < 4; ++s) {
    __m128i bytes[2];
    for (std::size_t h = 0; h < 2; ++h) {
      const std::size_t bits = (mask >> (16 * s + 8 * h)) & 255u;
      bytes[h] =
          _mm_shuffle_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(v)),
                           _mm_loadl_epi64(reinterpret_cast<const __m128i*>(expand_bytes[bits])));
      v += Eight != 0 ? Eight : expand_count[bits];
    }
    const __m256i w = _mm256_cvtepi8_epi16(_mm_unpacklo_epi64(bytes[0], bytes[1]));
    sum.two[s] = _mm256_add_epi32(
        sum.two[s],
        _mm256_madd_epi16(w, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(level + 16 * s))));
  }
}
SPARSELLM_INLINE void finish_levels(const level_sum& sum, const level_bias&, vfloat* out) noexcept {
  for (std::size_t i = 0; i < 2; ++i)
    out[i] = _mm256_cvtepi32_ps(_mm256_hadd_epi32(sum.two[2 * i], sum.two[2 * i + 1]));
}
SPARSELLM_INLINE void put_in_order(const vfloat* total, float* out) noexcept {
  for (std::size_t i = 0; i < 2; ++i)  // 0 1 4 5 | 2 3 6 7
    store(out + 8 * i, _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(total[i]),
                                                              _MM_SHUFFLE(3, 1, 2, 0))));
}

// Channel bitmaps.
inline constexpr std::size_t bitmap_channels_at_once = 2;
SPARSELLM_INLINE void add_level_word(const std::int8_t* v, std::uint64_t mask, std::int32_t level,
                                     std::int32_t* sums) noexcept {
  const __m256i x = _mm256_set1_epi32(level);
  for (std::size_t s = 0; s < 8; ++s, sums += 8) {
    const std::size_t bits = (mask >> (8 * s)) & 255u;
    const __m256i w = _mm256_cvtepi8_epi32(
        _mm_shuffle_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(v)),
                         _mm_loadl_epi64(reinterpret_cast<const __m128i*>(expand_bytes[bits]))));
    v += expand_count[bits];
    auto* const to = reinterpret_cast<__m256i*>(sums);
    // Both fit 16 bits, and so do their halves: a madd is the cheap product.
    _mm256_storeu_si256(
        to, _mm256_add_epi32(_mm256_loadu_si256(to),
                             _mm256_madd_epi16(w, _mm256_and_si256(x, _mm256_set1_epi32(0xffff)))));
  }
}
