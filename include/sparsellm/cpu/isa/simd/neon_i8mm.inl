// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of levels through usmmla, which multiplies two rows of eight unsigned bytes with two rows of
// eight signed ones. The rows are eight channels of two outputs, and the high and the low bytes of
// the same channels' 16-bit activations: 256 · high + low, so one token fills the instruction.
//   usmmla  3 cycles, 2 per cycle (Neoverse V1), 32 products against sdot's 16

SPARSELLM_INLINE int32x4_t multiply_rows(int32x4_t sum, uint8x16_t w, int8x16_t x) noexcept {
  __asm__("usmmla %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(w), "w"(x));
  return sum;
}

template <int Bits>
inline constexpr std::int32_t level_offset = 0;
inline constexpr std::size_t level_tokens = 3;  // 24 sums, 2 vectors of levels, 3 tokens of 32
inline constexpr std::size_t fours_at_once = 2;

// Eight channels of outputs 0 and 1, and of outputs 2 and 3.
struct vbytes {
  uint8x16_t first, second;
};
struct vlevels {
  int8x16_t high_low;  // eight high bytes, eight low ones
};
// Outputs 0 and 1, and 2 and 3: of each the sum of high bytes and that of low ones.
struct vsum {
  int32x4_t first, second;
};
SPARSELLM_INLINE vsum zero_sum() noexcept { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
// Four times four levels; eight high bytes and eight low bytes, twice.
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  const int8x16x2_t split = split_levels(level);
  const uint64x2_t high = vreinterpretq_u64_s8(split.val[0]);
  const uint64x2_t low = vreinterpretq_u64_s8(split.val[1]);
  vst1q_u32(word, vreinterpretq_u32_u64(vzip1q_u64(high, low)));
  vst1q_u32(word + 4, vreinterpretq_u32_u64(vzip2q_u64(high, low)));
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {vreinterpretq_s8_u32(vld1q_u32(word))};
}
// Words of the same four outputs, of four channels each.
SPARSELLM_INLINE vbytes beside(uint8x16_t a, uint8x16_t b) noexcept {
  const uint32x4_t low = vreinterpretq_u32_u8(a), high = vreinterpretq_u32_u8(b);
  return {vreinterpretq_u8_u32(vzip1q_u32(low, high)), vreinterpretq_u8_u32(vzip2q_u32(low, high))};
}
template <int Bits>
SPARSELLM_INLINE void interleave(const std::uint8_t* a, const std::uint8_t* b,
                                 const std::uint8_t* c, const std::uint8_t* d,
                                 const std::uint8_t* e, const std::uint8_t* f,
                                 const std::uint8_t* g, const std::uint8_t* h, std::size_t at,
                                 vbytes* out) noexcept {
  uint8x16_t four[2][4];
  neon::interleave<8>(a, b, c, d, at, four[0]);
  neon::interleave<8>(e, f, g, h, at, four[1]);
  for (std::size_t k = 0; k < 4; ++k) {
    out[k] = beside(four[0][k], four[1][k]);
    if constexpr (Bits == 4) {
      const uint8x16_t nibble = vdupq_n_u8(15);
      out[4 + k] = {vshrq_n_u8(out[k].first, 4), vshrq_n_u8(out[k].second, 4)};
      out[k] = {vandq_u8(out[k].first, nibble), vandq_u8(out[k].second, nibble)};
    }
  }
}
SPARSELLM_INLINE vbytes four_channels(const std::uint8_t* a, const std::uint8_t* b,
                                      const std::uint8_t* c, const std::uint8_t* d,
                                      const std::uint8_t* e, const std::uint8_t* f,
                                      const std::uint8_t* g, const std::uint8_t* h) noexcept {
  return beside(neon::four_channels(a, b, c, d), neon::four_channels(e, f, g, h));
}
template <int Shift, int Mask>
SPARSELLM_INLINE vbytes with_high(vbytes level, vbytes high) noexcept {
  return {neon::with_high<Shift, Mask>(level.first, high.first),
          neon::with_high<Shift, Mask>(level.second, high.second)};
}
SPARSELLM_INLINE vbytes look_up(const std::uint8_t* table, vbytes level) noexcept {
  return {neon::look_up(table, level.first), neon::look_up(table, level.second)};
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  return {multiply_rows(sum.first, w.first, x.high_low),
          multiply_rows(sum.second, w.second, x.high_low)};
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  const int32x4_t high = vuzp1q_s32(sum.first, sum.second);
  const int32x4_t low = vuzp2q_s32(sum.first, sum.second);
  return vcvtq_f32_s32(vaddq_s32(vaddq_s32(vshlq_n_s32(high, 8), low), vdupq_n_s32(bias)));
}
