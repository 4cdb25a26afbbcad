// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary on Armv8-A: 4 lanes, 32 registers.
//   fmla       4 cycles, 2-4 a cycle (Neoverse N1 on)
//   shl, and   2 cycles, two of them widen 8 bfloat16
//   fcvtl      3 cycles, widens 4 half

using vfloat = float32x4_t;
inline constexpr std::size_t lanes = 4;
inline constexpr std::size_t gemv_groups = 2;   // 16 accumulators: latency 4 × 4 a cycle
inline constexpr std::size_t gemm_tokens = 12;  // 24 accumulators, 2 weights, 1 broadcast of 32

SPARSELLM_INLINE vfloat zero() noexcept { return vdupq_n_f32(0.0f); }
SPARSELLM_INLINE vfloat broadcast(float x) noexcept { return vdupq_n_f32(x); }
SPARSELLM_INLINE vfloat load(const float* p) noexcept { return vld1q_f32(p); }
SPARSELLM_INLINE void store(float* p, vfloat v) noexcept { vst1q_f32(p, v); }
SPARSELLM_INLINE vfloat add(vfloat a, vfloat b) noexcept { return vaddq_f32(a, b); }
SPARSELLM_INLINE vfloat mul_add(vfloat a, vfloat b, vfloat c) noexcept {
  return vfmaq_f32(c, a, b);
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

SPARSELLM_INLINE std::size_t compact(const float* x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  return compact_scalar(x, scale, tau, first, last, index, value);
}
