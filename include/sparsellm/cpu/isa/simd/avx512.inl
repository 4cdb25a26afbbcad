// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary on AVX-512 (F, BW, DQ, VL): 16 lanes, 32 registers.
//   vfmadd231ps    4 cycles, 1 per cycle on Zen 4 (two halves), 2 on server Intel
//   vpslld, vpandd 1 cycle              two of them widen 32 bfloat16, a cache line
//   vcvtph2ps      6-8 cycles, 1 per cycle
//   vpcompressd    3-6 cycles into a register; the form that stores is microcoded on Zen 4
// Zero-masked forms with a full mask, where the plain intrinsic starts from an undefined register:
// the code is the same, and g++ 12 warns of the undefined one in the user's build.

using vfloat = __m512;
inline constexpr std::size_t lanes = 16;
inline constexpr std::size_t gemv_strips = 2;   // 4 accumulators: latency 4 × 1 per cycle
inline constexpr std::size_t gemm_tokens = 12;  // 24 accumulators, 2 weights, 1 broadcast of 32

inline constexpr __mmask16 every_lane = 0xffff;

SPARSELLM_INLINE vfloat zero() noexcept { return _mm512_setzero_ps(); }
SPARSELLM_INLINE vfloat broadcast(float x) noexcept { return _mm512_set1_ps(x); }
SPARSELLM_INLINE vfloat load(const float* p) noexcept { return _mm512_loadu_ps(p); }
SPARSELLM_INLINE void store(float* p, vfloat v) noexcept { _mm512_storeu_ps(p, v); }
SPARSELLM_INLINE vfloat add(vfloat a, vfloat b) noexcept { return _mm512_add_ps(a, b); }
SPARSELLM_INLINE vfloat mul(vfloat a, vfloat b) noexcept { return _mm512_mul_ps(a, b); }
SPARSELLM_INLINE vfloat div(vfloat a, vfloat b) noexcept { return _mm512_div_ps(a, b); }
SPARSELLM_INLINE vfloat mul_add(vfloat a, vfloat b, vfloat c) noexcept {
  return _mm512_fmadd_ps(a, b, c);
}

// The 16 lanes added as a tree, halves first.
SPARSELLM_INLINE float add_tree(vfloat v) noexcept {
  const __m256 eight = _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, v, 0),
                                     _mm512_maskz_extractf32x8_ps(0xff, v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
// Neighbours added: of lanes 0 to 31 in a and b.
SPARSELLM_INLINE vfloat add_neighbours(vfloat a, vfloat b) noexcept {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  return _mm512_add_ps(_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b));
}

// 2^n for the integer n in the low bits of `shifted` = n + 1.5 · 2^23.
SPARSELLM_INLINE vfloat power_of_two(vfloat shifted) noexcept {
  return _mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_maskz_slli_epi32(every_lane, _mm512_castps_si512(shifted), 23),
                       _mm512_set1_epi32(0x3f800000)));
}
// NaN stays.
SPARSELLM_INLINE vfloat clamp(vfloat x, float low, float high) noexcept {
  return _mm512_maskz_min_ps(every_lane, _mm512_set1_ps(high),
                             _mm512_maskz_max_ps(every_lane, _mm512_set1_ps(low), x));
}

// The low 16 bits of each word, moved up: bfloat16 to float.
SPARSELLM_INLINE __m512i high_half(__m512i words) noexcept {
  return _mm512_maskz_slli_epi32(every_lane, words, 16);
}
SPARSELLM_INLINE vfloat load_row(const float* p) noexcept { return load(p); }
SPARSELLM_INLINE vfloat load_row(const half* p) noexcept {
  return _mm512_maskz_cvtph_ps(every_lane, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
SPARSELLM_INLINE vfloat load_row(const bfloat16* p) noexcept {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(high_half(_mm512_maskz_cvtepu16_epi32(every_lane, bits)));
}
SPARSELLM_INLINE vfloat load_row(const std::int8_t* p) noexcept {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_maskz_cvtepi32_ps(every_lane, _mm512_maskz_cvtepi8_epi32(every_lane, bytes));
}

template <class T>
SPARSELLM_INLINE void load_brick(const T* brick, std::size_t, vfloat& low, vfloat& high) noexcept {
  low = load_row(brick);
  high = load_row(brick + 16);
}
SPARSELLM_INLINE void load_brick(const bfloat16* brick, std::size_t, vfloat& low,
                                 vfloat& high) noexcept {
  const __m512i words = _mm512_loadu_si512(brick);
  low = _mm512_castsi512_ps(high_half(words));
  high = _mm512_castsi512_ps(
      _mm512_and_si512(words, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}

SPARSELLM_INLINE std::size_t compact(activation_input x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  const __m512 limit = _mm512_set1_ps(tau), factor = _mm512_set1_ps(x.factor);
  const __m512i step = _mm512_set1_epi32(16);
  __m512i channel =
      _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  std::size_t n = 0, c = first;
  for (; c + 16 <= last; c += 16) {
    __m512 v = _mm512_loadu_ps(x.x + c);
    if (x.gain != nullptr) v = mul(mul(v, factor), _mm512_loadu_ps(x.gain + c));
    __m512 score = _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff)));
    if (scale != nullptr) score = _mm512_mul_ps(score, _mm512_loadu_ps(scale + c));
    const __mmask16 keep = _mm512_cmp_ps_mask(score, limit, _CMP_NLE_UQ);  // NaN is kept
    _mm512_storeu_si512(index + n, _mm512_maskz_compress_epi32(keep, channel));
    _mm512_storeu_ps(value + n, _mm512_maskz_compress_ps(keep, v));
    n += static_cast<std::size_t>(__builtin_popcount(keep));
    channel = _mm512_add_epi32(channel, step);
  }
  return n + compact_scalar(x, scale, tau, c, last, index + n, value + n);
}

// Quantised weights: the levels of four channels, one output in each 32-bit lane.
template <int Bits>
inline constexpr std::int32_t level_offset = 0;  // what interleave() takes off every level
inline constexpr std::size_t level_tokens = 1;   // tokens in flight in a batch of levels
inline constexpr std::size_t fours_at_once = 1;  // fours of channels in vbytes and vlevels
using vbytes = __m512i;
template <int Bits>
SPARSELLM_INLINE void interleave(const std::uint8_t* a, const std::uint8_t* b,
                                 const std::uint8_t* c, const std::uint8_t* d, std::size_t,
                                 vbytes* out) noexcept {
  const __m512i r0 = _mm512_loadu_si512(a), r1 = _mm512_loadu_si512(b);
  const __m512i r2 = _mm512_loadu_si512(c), r3 = _mm512_loadu_si512(d);
  const __m512i low01 = _mm512_unpacklo_epi8(r0, r1), high01 = _mm512_unpackhi_epi8(r0, r1);
  const __m512i low23 = _mm512_unpacklo_epi8(r2, r3), high23 = _mm512_unpackhi_epi8(r2, r3);
  out[0] = _mm512_unpacklo_epi16(low01, low23);
  out[1] = _mm512_unpackhi_epi16(low01, low23);
  out[2] = _mm512_unpacklo_epi16(high01, high23);
  out[3] = _mm512_unpackhi_epi16(high01, high23);
  if constexpr (Bits == 4) {
    const __m512i nibble = _mm512_set1_epi8(15);
    for (std::size_t k = 0; k < 4; ++k) {
      out[4 + k] = _mm512_and_si512(_mm512_srli_epi16(out[k], 4), nibble);
      out[k] = _mm512_and_si512(out[k], nibble);
    }
  }
}
// A byte of each of four channels for every lane: quarters of the vector are channels, and become
// its words' bytes.
SPARSELLM_INLINE vbytes four_channels(const std::uint8_t* a, const std::uint8_t* b,
                                      const std::uint8_t* c, const std::uint8_t* d) noexcept {
  const auto quarter = [](const std::uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  };
  __m512i four = _mm512_zextsi128_si512(quarter(a));
  four = _mm512_inserti32x4(four, quarter(b), 1);
  four = _mm512_inserti32x4(four, quarter(c), 2);
  four = _mm512_inserti32x4(four, quarter(d), 3);
  const __m512i words = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_maskz_broadcast_i32x4(
      every_lane, _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  return _mm512_shuffle_epi8(_mm512_maskz_permutexvar_epi32(every_lane, words, four), bytes);
}
// Bits of `high`, moved up by Shift (down when negative), under Mask, beside those of the levels.
template <int Shift, int Mask>
SPARSELLM_INLINE vbytes with_high(vbytes level, vbytes high) noexcept {
  constexpr auto bits = static_cast<unsigned>(Shift >= 0 ? Shift : -Shift);
  const __m512i moved = Shift >= 0 ? _mm512_slli_epi16(high, bits) : _mm512_srli_epi16(high, bits);
  return _mm512_ternarylogic_epi32(level, moved, _mm512_set1_epi8(Mask), 0xf8);  // a | (b & c)
}
// For each level below 16, the byte that `table` has in its place.
SPARSELLM_INLINE vbytes look_up(const std::uint8_t* table, vbytes level) noexcept {
  return _mm512_shuffle_epi8(
      _mm512_maskz_broadcast_i32x4(every_lane,
                                   _mm_load_si128(reinterpret_cast<const __m128i*>(table))),
      level);
}
