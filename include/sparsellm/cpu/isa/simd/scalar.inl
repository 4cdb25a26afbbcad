// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The vector vocabulary, one lane wide. Rounded once, so that results agree to the bit with the
// sets that have a fused multiply-add; on machines without one it is slow, and right.

using vfloat = float;
inline constexpr std::size_t lanes = 1;
inline constexpr std::size_t gemv_strips = 1;  // strips in flight in a dense product
inline constexpr std::size_t gemm_tokens = 4;  // tokens in flight in a batch

SPARSELLM_INLINE vfloat zero() noexcept { return 0.0f; }
SPARSELLM_INLINE vfloat broadcast(float x) noexcept { return x; }
SPARSELLM_INLINE vfloat load(const float* p) noexcept { return *p; }
SPARSELLM_INLINE void store(float* p, vfloat v) noexcept { *p = v; }
SPARSELLM_INLINE vfloat add(vfloat a, vfloat b) noexcept { return a + b; }
SPARSELLM_INLINE vfloat mul(vfloat a, vfloat b) noexcept { return a * b; }
SPARSELLM_INLINE vfloat div(vfloat a, vfloat b) noexcept { return a / b; }
SPARSELLM_INLINE vfloat mul_add(vfloat a, vfloat b, vfloat c) noexcept {
  return fused_multiply_add(a, b, c);
}

// 2^n for the integer n in the low bits of `shifted` = n + 1.5 · 2^23.
SPARSELLM_INLINE vfloat power_of_two(vfloat shifted) noexcept {
  const auto n = __builtin_bit_cast(std::uint32_t, shifted);
  return __builtin_bit_cast(float, (n << 23) + 0x3f800000u);
}
SPARSELLM_INLINE vfloat clamp(vfloat x, float low, float high) noexcept {
  return x < low ? low : x > high ? high : x;
}

// Consecutive elements, widened.
template <class T>
SPARSELLM_INLINE vfloat load_row(const T* p) noexcept {
  return widen(*p);
}
SPARSELLM_INLINE vfloat load_row(const std::int8_t* p) noexcept { return static_cast<float>(*p); }

// Outputs [i, i + lanes) and [16 + i, 16 + i + lanes) of a brick (pack/brick_weight.hpp).
template <class T>
SPARSELLM_INLINE void load_brick(const T* brick, std::size_t i, vfloat& low,
                                 vfloat& high) noexcept {
  low = widen(brick[slot_in_brick<T>(i)]);
  high = widen(brick[slot_in_brick<T>(16 + i)]);
}

SPARSELLM_INLINE std::size_t compact(activation_input x, const float* scale, float tau,
                                     std::size_t first, std::size_t last, std::uint32_t* index,
                                     float* value) noexcept {
  return compact_scalar(x, scale, tau, first, last, index, value);
}

// Quantised weights: the levels of four channels, one output in each 32-bit lane.
template <int Bits>
inline constexpr std::int32_t level_offset = 0;  // what interleave() takes off every level
inline constexpr std::size_t level_tokens = 1;   // tokens in flight in a batch of levels
inline constexpr std::size_t fours_at_once = 1;  // fours of channels in vbytes and vlevels
struct vbytes {
  std::uint8_t level[4];
};
struct vlevels {
  std::int32_t level[4];
};
using vsum = std::int32_t;
SPARSELLM_INLINE vsum zero_sum() noexcept { return 0; }
SPARSELLM_INLINE void pack_fours(const std::int32_t* level, std::uint32_t* word) noexcept {
  pack_even_odd(level, word);
}
SPARSELLM_INLINE vlevels load_levels(const std::uint32_t* word) noexcept {
  return {{static_cast<std::int16_t>(word[0]), static_cast<std::int16_t>(word[1]),
           static_cast<std::int16_t>(word[0] >> 16), static_cast<std::int16_t>(word[1] >> 16)}};
}
// Bytes [at, at + 4 · lanes) of each 16-byte quarter's place in the strip: vector k holds outputs
// 16 k + at / 4 and on, for 4 bits the low nibbles' vectors before the high ones'.
template <int Bits>
SPARSELLM_INLINE void interleave(const std::uint8_t* a, const std::uint8_t* b,
                                 const std::uint8_t* c, const std::uint8_t* d, std::size_t at,
                                 vbytes* out) noexcept {
  const std::size_t o = at / 4;
  for (std::size_t k = 0; k < 4; ++k) {
    const std::size_t p = byte_of_output(16 * k + o);
    if constexpr (Bits == 8) {
      out[k] = {{a[p], b[p], c[p], d[p]}};
    } else {
      const std::uint8_t four[4] = {a[p], b[p], c[p], d[p]};
      for (std::size_t i = 0; i < 4; ++i) {
        out[k].level[i] = four[i] & 15;
        out[4 + k].level[i] = static_cast<std::uint8_t>(four[i] >> 4);
      }
    }
  }
}
// A byte of each of four channels for every lane.
SPARSELLM_INLINE vbytes four_channels(const std::uint8_t* a, const std::uint8_t* b,
                                      const std::uint8_t* c, const std::uint8_t* d) noexcept {
  return {{*a, *b, *c, *d}};
}
// Bits of `high`, moved up by Shift (down when negative), under Mask, beside those of the levels.
template <int Shift, int Mask>
SPARSELLM_INLINE vbytes with_high(vbytes level, vbytes high) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    const int bits = Shift >= 0 ? high.level[i] << (Shift >= 0 ? Shift : 0)
                                : high.level[i] >> (Shift < 0 ? -Shift : 0);
    level.level[i] = static_cast<std::uint8_t>(level.level[i] | (bits & Mask));
  }
  return level;
}
// For each level below 16, the byte that `table` has in its place.
SPARSELLM_INLINE vbytes look_up(const std::uint8_t* table, vbytes level) noexcept {
  for (std::size_t i = 0; i < 4; ++i) level.level[i] = table[level.level[i]];
  return level;
}
SPARSELLM_INLINE vsum dot_add(vbytes w, vlevels x, vsum sum) noexcept {
  for (std::size_t i = 0; i < 4; ++i) sum += w.level[i] * x.level[i];
  return sum;
}
SPARSELLM_INLINE vfloat to_float(vsum sum, std::int32_t bias) noexcept {
  return static_cast<float>(sum + bias);
}

// N:M weights: 32 lanes in order, zeros where the mask has none.
template <class T>
inline constexpr bool interleaved_lanes = false;
inline constexpr std::size_t nm_outputs_at_once = 1;
template <std::size_t, class T>
SPARSELLM_INLINE void expand_lanes(const T* v, std::uint32_t mask, vfloat* out) noexcept {
  for (std::size_t l = 0; l < 32; ++l) out[l] = ((mask >> l) & 1u) != 0 ? widen(*v++) : 0.0f;
}

// N:M weights of levels: 16 sums of four lanes each.
inline constexpr std::size_t level_vectors = 16, level_outputs_at_once = 1;
struct level_sum {
  std::int32_t four[16];
};
struct level_bias {};
SPARSELLM_INLINE level_sum no_levels() noexcept { return {}; }
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
  for (; mask != 0; mask &= mask - 1) {
    const auto l = static_cast<std::size_t>(__builtin_ctzll(mask));
    sum.four[l / 4] += *v++ * level[l];
  }
}
SPARSELLM_INLINE void finish_levels(const level_sum& sum, const level_bias&, vfloat* out) noexcept {
  for (std::size_t i = 0; i < 16; ++i) out[i] = static_cast<float>(sum.four[i]);
}
SPARSELLM_INLINE void put_in_order(const vfloat* total, float* out) noexcept {
  for (std::size_t i = 0; i < 16; ++i) out[i] = total[i];
}

// Channel bitmaps.
inline constexpr std::size_t bitmap_channels_at_once = 1;
SPARSELLM_INLINE void add_level_word(const std::int8_t* v, std::uint64_t mask, std::int32_t level,
                                     std::int32_t* sums) noexcept {
  for (; mask != 0; mask &= mask - 1) sums[__builtin_ctzll(mask)] += *v++ * level;
}
