// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary on Armv8-A: 4 lanes, 32 registers.
//   fmla       4 cycles, 2-4 per cycle (Neoverse N1 on)
//   shl, and   2 cycles, two of them widen 8 bfloat16
//   fcvtl      3 cycles, widens 4 half

using vfloat = float32x4_t;
inline constexpr std::size_t lanes = 4;
inline constexpr std::size_t gemv_strips = 2;   // 16 accumulators: latency 4 × 4 per cycle
inline constexpr std::size_t gemm_tokens = 12;  // 24 accumulators, 2 weights, 1 broadcast of 32

SPARSELLM_INLINE vfloat zero() noexcept { return vdupq_n_f32(0.0f); }
SPARSELLM_INLINE vfloat broadcast(float x) noexcept { return vdupq_n_f32(x); }
SPARSELLM_INLINE vfloat load(const float* p) noexcept { return vld1q_f32(p); }
SPARSELLM_INLINE void store(float* p, vfloat v) noexcept { vst1q_f32(p, v); }
SPARSELLM_INLINE vfloat add(vfloat a, vfloat b) noexcept { return vaddq_f32(a, b); }
SPARSELLM_INLINE vfloat mul(vfloat a, vfloat b) noexcept { return vmulq_f32(a, b); }
SPARSELLM_INLINE vfloat div(vfloat a, vfloat b) noexcept { return vdivq_f32(a, b); }
SPARSELLM_INLINE vfloat mul_add(vfloat a, vfloat b, vfloat c) noexcept {
  return vfmaq_f32(c, a, b);
}

// 2^n for the integer n in the low bits of `shifted` = n + 1.5 · 2^23.
SPARSELLM_INLINE vfloat power_of_two(vfloat shifted) noexcept {
  return vreinterpretq_f32_u32(
      vaddq_u32(vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23), vdupq_n_u32(0x3f800000u)));
}
// NaN stays.
SPARSELLM_INLINE vfloat clamp(vfloat x, float low, float high) noexcept {
  return vminq_f32(vdupq_n_f32(high), vmaxq_f32(vdupq_n_f32(low), x));
}

SPARSELLM_INLINE vfloat load_row(const float* p) noexcept { return load(p); }
SPARSELLM_INLINE vfloat load_row(const half* p) noexcept {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p))));
}
SPARSELLM_INLINE vfloat load_row(const bfloat16* p) noexcept {
  const uint16x4_t bits = vld1_u16(reinterpret_cast<const std::uint16_t*>(p));
  return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}
SPARSELLM_INLINE vfloat load_row(const std::int8_t* p) noexcept {
  std::uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(word)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

template <class T>
SPARSELLM_INLINE void load_brick(const T* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  low = load_row(brick + i);
  high = load_row(brick + 16 + i);
}
SPARSELLM_INLINE void load_brick(const bfloat16* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  const uint32x4_t words =
      vreinterpretq_u32_u16(vld1q_u16(reinterpret_cast<const std::uint16_t*>(brick + 2 * i)));
  low = vreinterpretq_f32_u32(vshlq_n_u32(words, 16));
  high = vreinterpretq_f32_u32(vandq_u32(words, vdupq_n_u32(0xffff0000u)));
}

SPARSELLM_INLINE std::size_t compact(activation_input x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  return compact_scalar(x, scale, tau, first, last, index, value);
}

// Quantised weights: the levels of four channels, one output in each 32-bit lane; even and odd
// channels are widened to 16 bits.
template <int Bits>
inline constexpr std::int32_t level_offset = 0;  // what interleave() takes off every level
inline constexpr std::size_t level_tokens = 1;   // tokens in flight in a batch of levels
inline constexpr std::size_t fours_at_once = 1;  // fours of channels in vbytes and vlevels
using vbytes = uint8x16_t;
struct vlevels {
  int16x4_t even, odd;
};
using vsum = int32x4_t;
SPARSELLM_INLINE vsum zero_sum() noexcept { return vdupq_n_s32(0); }
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  pack_even_odd(level, word);
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {vreinterpret_s16_u32(vdup_n_u32(word[0])), vreinterpret_s16_u32(vdup_n_u32(word[1]))};
}
// 16 bytes of each of four channels: vector k of `out` has a word of four for byte 4 k + lane.
SPARSELLM_INLINE void interleave_vectors(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d,
                                         vbytes* out) noexcept {
  const uint8x16x2_t r01 = vzipq_u8(a, b), r23 = vzipq_u8(c, d);
  for (std::size_t h = 0; h < 2; ++h) {
    const uint16x8x2_t four =
        vzipq_u16(vreinterpretq_u16_u8(r01.val[h]), vreinterpretq_u16_u8(r23.val[h]));
    out[2 * h] = vreinterpretq_u8_u16(four.val[0]);
    out[2 * h + 1] = vreinterpretq_u8_u16(four.val[1]);
  }
}
// Of 16 levels, each 256 · high + low of signed bytes: the high bytes, and the low ones.
SPARSELLM_INLINE int8x16x2_t split_levels(const std::int32_t* level) noexcept {
  const int16x8_t first = vuzp1q_s16(vreinterpretq_s16_s32(vld1q_s32(level)),
                                     vreinterpretq_s16_s32(vld1q_s32(level + 4)));
  const int16x8_t second = vuzp1q_s16(vreinterpretq_s16_s32(vld1q_s32(level + 8)),
                                      vreinterpretq_s16_s32(vld1q_s32(level + 12)));
  const int16x8_t half = vdupq_n_s16(128);
  return {{vuzp2q_s8(vreinterpretq_s8_s16(vaddq_s16(first, half)),
                     vreinterpretq_s8_s16(vaddq_s16(second, half))),
           vuzp1q_s8(vreinterpretq_s8_s16(first), vreinterpretq_s8_s16(second))}};
}
template <int Bits>
SPARSELLM_INLINE void interleave(const std::uint8_t* a, const std::uint8_t* b,
                                 const std::uint8_t* c, const std::uint8_t* d, std::size_t at,
                                 vbytes* out) noexcept {
  interleave_vectors(vld1q_u8(a + at), vld1q_u8(b + at), vld1q_u8(c + at), vld1q_u8(d + at), out);
  if constexpr (Bits == 4)
    for (std::size_t k = 0; k < 4; ++k) {
      out[4 + k] = vshrq_n_u8(out[k], 4);
      out[k] = vandq_u8(out[k], vdupq_n_u8(15));
    }
}
// A byte of each of four channels for every lane.
SPARSELLM_INLINE vbytes four_channels(const std::uint8_t* a, const std::uint8_t* b,
                                      const std::uint8_t* c, const std::uint8_t* d) noexcept {
  std::uint32_t word[4];
  __builtin_memcpy(word, a, 4);
  __builtin_memcpy(word + 1, b, 4);
  __builtin_memcpy(word + 2, c, 4);
  __builtin_memcpy(word + 3, d, 4);
  alignas(16) constexpr std::uint8_t transposed[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                       2, 6, 10, 14, 3, 7, 11, 15};
  return vqtbl1q_u8(vreinterpretq_u8_u32(vld1q_u32(word)), vld1q_u8(transposed));
}
// Bits of `high`, moved up by Shift (down when negative), under Mask, beside those of the levels.
template <int Shift, int Mask>
SPARSELLM_INLINE vbytes with_high(vbytes level, vbytes high) noexcept {
  const uint8x16_t moved = vshlq_u8(high, vdupq_n_s8(Shift));  // a negative count shifts down
  return vorrq_u8(level, vandq_u8(moved, vdupq_n_u8(Mask)));
}
// For each level below 16, the byte that `table` has in its place.
SPARSELLM_INLINE vbytes look_up(const std::uint8_t* table, vbytes level) noexcept {
  return vqtbl1q_u8(vld1q_u8(table), level);
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  const uint16x8_t words = vreinterpretq_u16_u8(w);
  const int16x8_t even = vreinterpretq_s16_u16(vandq_u16(words, vdupq_n_u16(0xff)));
  const int16x8_t odd = vreinterpretq_s16_u16(vshrq_n_u16(words, 8));
  int32x4_t low = vmull_s16(vget_low_s16(even), x.even);
  int32x4_t high = vmull_s16(vget_high_s16(even), x.even);
  low = vmlal_s16(low, vget_low_s16(odd), x.odd);
  high = vmlal_s16(high, vget_high_s16(odd), x.odd);
  return vaddq_s32(sum, vpaddq_s32(low, high));
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  return vcvtq_f32_s32(vaddq_s32(sum, vdupq_n_s32(bias)));
}

// N:M weights: 32 lanes in order, zeros where the mask has none, four at a time through a table.
template <class T>
inline constexpr bool interleaved_lanes = false;
inline constexpr std::size_t nm_outputs_at_once = 2;  // 16 sums of 32 registers
SPARSELLM_INLINE vfloat expand_four(const float* v, std::size_t mask) noexcept {
  return vreinterpretq_f32_u8(
      vqtbl1q_u8(vreinterpretq_u8_f32(vld1q_f32(v)), vld1q_u8(expand_words[mask])));
}
SPARSELLM_INLINE uint16x4_t expand_four(const std::uint16_t* v, std::size_t mask) noexcept {
  return vreinterpret_u16_u8(
      vtbl1_u8(vreinterpret_u8_u16(vld1_u16(v)), vld1_u8(expand_halves[mask])));
}
SPARSELLM_INLINE vfloat expand_four(const half* v, std::size_t mask) noexcept {
  return vcvt_f32_f16(
      vreinterpret_f16_u16(expand_four(reinterpret_cast<const std::uint16_t*>(v), mask)));
}
SPARSELLM_INLINE vfloat expand_four(const bfloat16* v, std::size_t mask) noexcept {
  return vreinterpretq_f32_u32(
      vshll_n_u16(expand_four(reinterpret_cast<const std::uint16_t*>(v), mask), 16));
}
template <std::size_t, class T>
SPARSELLM_INLINE void expand_lanes(const T* v, std::uint32_t mask, vfloat* out) noexcept {
  for (std::size_t s = 0; s < 8; ++s) {
    const std::size_t four = (mask >> (4 * s)) & 15u;
    out[s] = expand_four(v, four);
    v += __builtin_popcount(static_cast<unsigned>(four));
  }
}

// N:M weights of levels: 16 sums of four lanes each, in four vectors.
inline constexpr std::size_t level_vectors = 4, level_outputs_at_once = 2;
struct level_sum {
  int32x4_t four[4];
};
struct level_bias {};
SPARSELLM_INLINE level_sum no_levels() noexcept {
  const int32x4_t none = vdupq_n_s32(0);
  return {{none, none, none, none}};
}
SPARSELLM_INLINE level_bias no_bias() noexcept { return {}; }
SPARSELLM_INLINE void add_bias(const std::byte*, level_bias&) noexcept {}
SPARSELLM_INLINE void put_levels(const std::int32_t* level, std::byte* out) noexcept {
  auto* const to = reinterpret_cast<std::int16_t*>(out);
  for (std::size_t l = 0; l < 64; ++l) to[l] = static_cast<std::int16_t>(level[l]);
}
template <std::size_t>
SPARSELLM_INLINE void add_levels(const std::int8_t* v, std::uint64_t mask, const std::byte* x,
                                 level_sum& sum) noexcept {
  const auto* const level = reinterpret_cast<const std::int16_t*>(x);
  for (std::size_t s = 0; s < 4; ++s) {  // 16 lanes: four sums
    int32x4_t pairs[2];
    for (std::size_t h = 0; h < 2; ++h) {
      const std::size_t at = 2 * s + h, bits = (mask >> (8 * at)) & 255u;
      const int16x8_t w = vmovl_s8(vreinterpret_s8_u8(vtbl1_u8(
          vld1_u8(reinterpret_cast<const std::uint8_t*>(v)), vld1_u8(expand_bytes[bits]))));
      v += __builtin_popcount(static_cast<unsigned>(bits));
      const int16x8_t l = vld1q_s16(level + 8 * at);
      pairs[h] = vpaddq_s32(vmull_s16(vget_low_s16(w), vget_low_s16(l)),
                            vmull_s16(vget_high_s16(w), vget_high_s16(l)));
    }
    sum.four[s] = vaddq_s32(sum.four[s], vpaddq_s32(pairs[0], pairs[1]));
  }
}
SPARSELLM_INLINE void finish_levels(const level_sum& sum, const level_bias&, vfloat* out) noexcept {
  for (std::size_t i = 0; i < 4; ++i) out[i] = vcvtq_f32_s32(sum.four[i]);
}
SPARSELLM_INLINE void put_in_order(const vfloat* total, float* out) noexcept {
  for (std::size_t i = 0; i < 4; ++i) store(out + 4 * i, total[i]);
}

// Channel bitmaps.
inline constexpr std::size_t bitmap_channels_at_once = 2;
SPARSELLM_INLINE void add_level_word(const std::int8_t* v, std::uint64_t mask, std::int32_t level,
                                     std::int32_t* sums) noexcept {
  const auto x = static_cast<std::int16_t>(level);
  for (std::size_t s = 0; s < 8; ++s, sums += 8) {
    const std::size_t bits = (mask >> (8 * s)) & 255u;
    const int16x8_t w = vmovl_s8(vreinterpret_s8_u8(
        vtbl1_u8(vld1_u8(reinterpret_cast<const std::uint8_t*>(v)), vld1_u8(expand_bytes[bits]))));
    v += __builtin_popcount(static_cast<unsigned>(bits));
    vst1q_s32(sums, vmlal_n_s16(vld1q_s32(sums), vget_low_s16(w), x));
    vst1q_s32(sums + 4, vmlal_n_s16(vld1q_s32(sums + 4), vget_high_s16(w), x));
  }
}
