// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary on Armv8-A: 4 lanes, 32 registers.
//   fmla       4 cycles, 2-4 a cycle (Neoverse N1 on)
//   shl, and   2 cycles, two of them widen 8 bfloat16
//   fcvtl      3 cycles, widens 4 half

using vfloat = float32x4_t;
inline constexpr std::size_t lanes = 4;
inline constexpr std::size_t gemv_groups = 2;     // 16 accumulators: latency 4 × 4 a cycle
inline constexpr std::size_t gemm_tokens = 12;    // 24 accumulators, 2 weights, 1 broadcast of 32
inline constexpr std::size_t batch_channels = 8;  // 16 weights, 2 sums, 1 broadcast of 32

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

template <class T>
SPARSELLM_INLINE void load_group(const T* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  low = load_row(brick + i);
  high = load_row(brick + 16 + i);
}
SPARSELLM_INLINE void load_group(const bfloat16* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  const uint32x4_t words =
      vreinterpretq_u32_u16(vld1q_u16(reinterpret_cast<const std::uint16_t*>(brick + 2 * i)));
  low = vreinterpretq_f32_u32(vshlq_n_u32(words, 16));
  high = vreinterpretq_f32_u32(vandq_u32(words, vdupq_n_u32(0xffff0000u)));
}

SPARSELLM_INLINE std::size_t compact(compacted_input x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  return compact_scalar(x, scale, tau, first, last, index, value);
}

// Quantised rows: the levels of four channels, one output a 32-bit lane; even and odd channels are
// widened to 16 bits.
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
template <int Bits>
SPARSELLM_INLINE void interleave(const std::uint8_t* a, const std::uint8_t* b,
                                 const std::uint8_t* c, const std::uint8_t* d, std::size_t at,
                                 vbytes* out) noexcept {
  const uint8x16x2_t r01 = vzipq_u8(vld1q_u8(a + at), vld1q_u8(b + at));
  const uint8x16x2_t r23 = vzipq_u8(vld1q_u8(c + at), vld1q_u8(d + at));
  for (std::size_t h = 0; h < 2; ++h) {
    const uint16x8x2_t four =
        vzipq_u16(vreinterpretq_u16_u8(r01.val[h]), vreinterpretq_u16_u8(r23.val[h]));
    out[2 * h] = vreinterpretq_u8_u16(four.val[0]);
    out[2 * h + 1] = vreinterpretq_u8_u16(four.val[1]);
  }
  if constexpr (Bits == 4)
    for (std::size_t k = 0; k < 4; ++k) {
      out[4 + k] = vshrq_n_u8(out[k], 4);
      out[k] = vandq_u8(out[k], vdupq_n_u8(15));
    }
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
