// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A large batch of bfloat16 weights through bfmmla: two outputs' four channels by two tokens', 16
// products per instruction, four times as many as fmla has. The activations are rounded to
// bfloat16. Included only in the neon_bf16 target.
//
// The instruction adds two products, and those to the sum, each rounded to odd; then the next two.
// Rounding to odd is off by up to twice as much as to nearest, and there are half as many: the
// bound of docs/numerics.md holds.

SPARSELLM_INLINE float32x4_t multiply_rows(float32x4_t sum, uint16x8_t w, uint16x8_t x) noexcept {
  __asm__("bfmmla %0.4s, %1.8h, %2.8h" : "+w"(sum) : "w"(w), "w"(x));
  return sum;
}
SPARSELLM_INLINE uint16x4_t round_four(float32x4_t x) noexcept {
  uint16x4_t rounded;
  __asm__("bfcvtn %0.4h, %1.4s" : "=w"(rounded) : "w"(x));
  return rounded;
}

// Two outputs of a strip, i and 16 + i, have four channels each in vector i: 16 vectors of 16
// bytes. Channels past the last are zeros.
inline constexpr std::size_t rows_of_four = 16 * 8;  // in bfloat16

// rows [(last - first) / 4][16][8]
inline void pair_rows(const brick_weight<bfloat16>& w, std::size_t g, std::size_t first,
                      std::size_t last, std::uint16_t* rows) noexcept {
  for (std::size_t c = first; c < last; c += 4)
    for (std::size_t i = 0; i < 16; i += 4, rows += 32) {
      uint16x8_t channel[4];
      for (std::size_t k = 0; k < 4; ++k)
        channel[k] =
            c + k < last
                ? vld1q_u16(reinterpret_cast<const std::uint16_t*>(w.brick(g, c + k)) + 2 * i)
                : vdupq_n_u16(0);
      const uint16x8x2_t even = vzipq_u16(channel[0], channel[2]);
      const uint16x8x2_t odd = vzipq_u16(channel[1], channel[3]);
      for (std::size_t h = 0; h < 2; ++h) {
        vst1q_u16(rows + 16 * h, vzip1q_u16(even.val[h], odd.val[h]));
        vst1q_u16(rows + 16 * h + 8, vzip2q_u16(even.val[h], odd.val[h]));
      }
    }
}

// rounded [tokens / 2][fours][2 tokens][4 channels], zeros where there is no token or channel.
inline void pair_tokens(matrix_view<const float> x, std::size_t first, std::size_t last,
                        std::size_t fours, std::uint16_t* rounded) noexcept {
  for (std::size_t t = 0; t < x.rows(); t += 2, rounded += fours * 8)
    for (std::size_t f = 0; f < (last - first + 3) / 4; ++f) {
      const std::size_t c = first + 4 * f;
      for (std::size_t i = 0; i < 2; ++i) {
        float four[4] = {};
        if (t + i < x.rows())
          for (std::size_t k = 0; k < 4 && c + k < last; ++k) four[k] = x(t + i, c + k);
        vst1_u16(rounded + 8 * f + 4 * i, round_four(vld1q_f32(four)));
      }
    }
}

// sums [2 · Pairs][32] = rows against pairs of tokens, `stride` values apart.
template <std::size_t Pairs>
inline void multiply_token_pairs(const std::uint16_t* rows, std::size_t fours,
                                 const std::uint16_t* x, std::size_t stride, float* sums) noexcept {
  constexpr std::size_t vectors = 4;  // with 6 pairs 24 sums, 4 vectors of weights, 1 of tokens
  for (std::size_t i = 0; i < 16; i += vectors) {
    float32x4_t sum[Pairs * vectors];
    for (std::size_t k = 0; k < Pairs * vectors; ++k) sum[k] = vdupq_n_f32(0.0f);
    const std::uint16_t* w = rows + 8 * i;
    for (std::size_t f = 0; f < fours; ++f, w += rows_of_four) {
      uint16x8_t row[vectors];
      for (std::size_t v = 0; v < vectors; ++v) row[v] = vld1q_u16(w + 8 * v);
      for (std::size_t p = 0; p < Pairs; ++p) {
        const uint16x8_t tokens = vld1q_u16(x + p * stride + 8 * f);
        for (std::size_t v = 0; v < vectors; ++v)
          sum[p * vectors + v] = multiply_rows(sum[p * vectors + v], row[v], tokens);
      }
    }
    for (std::size_t k = 0; k < Pairs * vectors; ++k) {
      float four[4];  // outputs o and 16 + o, two tokens of each
      store(four, sum[k]);
      float* const to = sums + k / vectors * 2 * brick_outputs + i + k % vectors;
      for (std::size_t t = 0; t < 2; ++t) {
        to[t * brick_outputs] = four[t];
        to[t * brick_outputs + 16] = four[2 + t];
      }
    }
  }
}

template <std::size_t Pairs>
inline void multiply_token_pairs_rest(std::size_t pairs, const std::uint16_t* rows,
                                      std::size_t fours, const std::uint16_t* x, std::size_t stride,
                                      float* sums) noexcept {
  if constexpr (Pairs > 1)
    if (pairs < Pairs)
      return multiply_token_pairs_rest<Pairs - 1>(pairs, rows, fours, x, stride, sums);
  multiply_token_pairs<Pairs>(rows, fours, x, stride, sums);
}

// T is bfloat16: a template, so that nothing is compiled before it is used.
template <class T>
inline void gemm_bfmmla(const brick_weight<T>& w, index_range strips, matrix_view<const float> x,
                        matrix_view<float> y, float* scratch) noexcept {
  if (x.rows() < brick_tuning::rounded_batch) return neon::gemm<T>(w, strips, x, y, scratch);
  constexpr std::size_t some = gemm_tokens / 2;  // pairs of tokens
  const summation_parts parts = summation_of(w.shape.inputs);
  const std::size_t most = parts.length / 4, pairs = (x.rows() + 1) / 2;
  auto* const rows = reinterpret_cast<std::uint16_t*>(scratch);
  std::uint16_t* const rounded = rows + most * rows_of_four;
  float sums[2 * some * brick_outputs];
  for (std::size_t part = 0; part < parts.count; ++part) {
    const std::size_t first = parts.begin(part), last = parts.end(part);
    const std::size_t fours = (last - first + 3) / 4;
    pair_tokens(x, first, last, most, rounded);
    for (std::size_t g = strips.first; g < strips.last; ++g) {
      pair_rows(w, g, first, last, rows);
      for (std::size_t p = 0; p < pairs; p += some) {
        multiply_token_pairs_rest<some>(pairs - p < some ? pairs - p : some, rows, fours,
                                        rounded + p * most * 8, most * 8, sums);
        for (std::size_t i = 0; i < 2 * some && 2 * p + i < x.rows(); ++i)
          merge_outputs(sums + i * brick_outputs, part == 0, w.shape.outputs, g, &y(2 * p + i, 0));
      }
    }
  }
}
