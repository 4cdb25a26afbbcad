// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of levels through sdot, signed bytes by signed bytes: a 16-bit activation is 256 · high +
// low, both signed bytes, each with its own sum. Eight bits of level are made signed.
//   sdot, udot  3 cycles, 2 per cycle (Neoverse N1)
// Instructions are written as such: clang 14 has their intrinsics for whole files alone.

// sum += each lane's four bytes times the four bytes of x's lane `Lane`.
template <int Lane>
SPARSELLM_INLINE int32x4_t dot_lane(int32x4_t sum, uint8x16_t w, int8x8_t x) noexcept {
  if constexpr (Lane == 0)
    __asm__("sdot %0.4s, %1.16b, %2.4b[0]" : "+w"(sum) : "w"(w), "w"(x));
  else
    __asm__("sdot %0.4s, %1.16b, %2.4b[1]" : "+w"(sum) : "w"(w), "w"(x));
  return sum;
}
SPARSELLM_INLINE int32x4_t dot(int32x4_t sum, int8x16_t a, int8x16_t b) noexcept {
  __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b));
  return sum;
}

template <int Bits>
inline constexpr std::int32_t level_offset = Bits == 8 ? 128 : 0;
inline constexpr std::size_t level_tokens = 2;  // 16 sums, 4 vectors of levels, 2 tokens of 32

struct vlevels {
  int8x8_t high_low;  // four high bytes, four low ones
};
struct vsum {
  int32x4_t high, low;
};
SPARSELLM_INLINE vsum zero_sum() noexcept { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
// Four times four levels; the high bytes of each four become one word and the low bytes another.
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  const int8x16x2_t split = split_levels(level);
  const uint32x4_t high = vreinterpretq_u32_s8(split.val[0]);
  const uint32x4_t low = vreinterpretq_u32_s8(split.val[1]);
  vst1q_u32(word, vzip1q_u32(high, low));
  vst1q_u32(word + 4, vzip2q_u32(high, low));
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {vreinterpret_s8_u32(vld1_u32(word))};
}
template <int Bits>
SPARSELLM_INLINE void interleave(const std::uint8_t* a, const std::uint8_t* b,
                                 const std::uint8_t* c, const std::uint8_t* d, std::size_t at,
                                 vbytes* out) noexcept {
  neon::interleave<Bits>(a, b, c, d, at, out);
  if constexpr (Bits == 8)  // flipping the top bit takes 128 off
    for (std::size_t k = 0; k < 4; ++k) out[k] = veorq_u8(out[k], vdupq_n_u8(128));
}
// As neon's, 128 taken off as interleave() takes it off levels of 8 bits.
SPARSELLM_INLINE vbytes look_up(const std::uint8_t* table, vbytes level) noexcept {
  return vqtbl1q_u8(veorq_u8(vld1q_u8(table), vdupq_n_u8(128)), level);
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  return {dot_lane<0>(sum.high, w, x.high_low), dot_lane<1>(sum.low, w, x.high_low)};
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  return vcvtq_f32_s32(vaddq_s32(vaddq_s32(vshlq_n_s32(sum.high, 8), sum.low), vdupq_n_s32(bias)));
}

// N:M weights of levels: 16 sums of four lanes each, of high and of low bytes.
inline constexpr std::size_t level_vectors = 4, level_outputs_at_once = 2;
struct level_sum {
  int32x4_t high[4], low[4];
};
struct level_bias {};
SPARSELLM_INLINE level_sum no_levels() noexcept {
  const int32x4_t none = vdupq_n_s32(0);
  return {{none, none, none, none}, {none, none, none, none}};
}
SPARSELLM_INLINE level_bias no_bias() noexcept { return {}; }
SPARSELLM_INLINE void add_bias(const std::byte*, level_bias&) noexcept {}
// [64 high bytes][64 low bytes]
SPARSELLM_INLINE void put_levels(const std::int32_t* level, std::byte* out) noexcept {
  auto* const to = reinterpret_cast<std::int8_t*>(out);
  for (std::size_t l = 0; l < 64; l += 16) {
    const int8x16x2_t split = split_levels(level + l);
    vst1q_s8(to + l, split.val[0]);
    vst1q_s8(to + 64 + l, split.val[1]);
  }
}
// The values of 16 lanes, zeros where the mask has none; v goes on to the next. With Eight values
// in every eight lanes one table look-up moves them all: places past the first eight lanes' are so
// many more, and 0xff stays.
template <std::size_t Eight>
SPARSELLM_INLINE int8x16_t expand_sixteen(const std::int8_t*& v, std::size_t mask) noexcept {
  const auto* const from = reinterpret_cast<const std::uint8_t*>(v);
  const uint8x8_t low = vld1_u8(expand_bytes[mask & 255u]), high = vld1_u8(expand_bytes[mask >> 8]);
  if constexpr (Eight != 0) {
    const uint8x16_t more = vcombine_u8(vdup_n_u8(0), vdup_n_u8(Eight));
    v += 2 * Eight;
    return vreinterpretq_s8_u8(vqtbl1q_u8(vld1q_u8(from), vqaddq_u8(vcombine_u8(low, high), more)));
  } else {
    const std::size_t count = expand_count[mask & 255u];
    v += count + expand_count[mask >> 8];
    return vreinterpretq_s8_u8(
        vcombine_u8(vtbl1_u8(vld1_u8(from), low), vtbl1_u8(vld1_u8(from + count), high)));
  }
}
template <std::size_t Eight>
SPARSELLM_INLINE void add_levels(const std::int8_t* v, std::uint64_t mask, const std::byte* x,
                                 level_sum& sum) noexcept {
  const auto* const level = reinterpret_cast<const std::int8_t*>(x);
  for (std::size_t s = 0; s < 4; ++s) {
    const int8x16_t w = expand_sixteen<Eight>(v, (mask >> (16 * s)) & 0xffffu);
    sum.high[s] = dot(sum.high[s], w, vld1q_s8(level + 16 * s));
    sum.low[s] = dot(sum.low[s], w, vld1q_s8(level + 64 + 16 * s));
  }
}
SPARSELLM_INLINE void finish_levels(const level_sum& sum, const level_bias&, vfloat* out) noexcept {
  for (std::size_t i = 0; i < 4; ++i)
    out[i] = vcvtq_f32_s32(vaddq_s32(vshlq_n_s32(sum.high[i], 8), sum.low[i]));
}
