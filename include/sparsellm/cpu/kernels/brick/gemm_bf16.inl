// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A batch of bfloat16 weights through vdpbf16ps: 32 products per instruction, twice as many
// as an FMA has. The activations are rounded to bfloat16, as oneDNN and ggml do; docs/numerics.md
// has the bound. Included only in the avx512_bf16 target.

// pairs [channels / 2][32]: word o holds channels c (low) and c + 1 (high) of output o. An odd last
// channel is paired with zero.
inline void pair_tile(const brick_weight<bfloat16>& w, std::size_t g, std::size_t first,
                      std::size_t last, std::uint32_t* pairs) noexcept {
  const __m512i low_bits = _mm512_set1_epi32(0xffff);
  const __m512i high_bits = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  for (std::size_t c = first; c < last; c += 2, pairs += brick_outputs) {
    const __m512i even = _mm512_loadu_si512(w.brick(g, c));
    const __m512i odd =
        c + 1 < last ? _mm512_loadu_si512(w.brick(g, c + 1)) : _mm512_setzero_si512();
    _mm512_storeu_si512(pairs, _mm512_or_si512(_mm512_and_si512(even, low_bits), high_half(odd)));
    _mm512_storeu_si512(pairs + 16, _mm512_or_si512(_mm512_maskz_srli_epi32(every_lane, even, 16),
                                                    _mm512_and_si512(odd, high_bits)));
  }
}

// rounded [tokens][length / 2] words of two bfloat16
inline void pair_activations(matrix_view<const float> x, std::size_t first, std::size_t last,
                             std::size_t words, std::uint32_t* rounded) noexcept {
  for (std::size_t t = 0; t < x.rows(); ++t, rounded += words) {
    const float* const row = &x(t, first);
    const std::size_t n = last - first;
    std::size_t c = 0;
    for (; c + 32 <= n; c += 32)
      _mm512_storeu_si512(rounded + c / 2,
                          reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(
                              _mm512_loadu_ps(row + c + 16), _mm512_loadu_ps(row + c))));
    for (; c < n; c += 2)
      rounded[c / 2] = std::uint32_t{rounding::to_bfloat16(row[c])} |
                       (c + 1 < n ? std::uint32_t{rounding::to_bfloat16(row[c + 1])} << 16 : 0u);
  }
}

template <std::size_t Tokens>
inline void multiply_pairs(const std::uint32_t* pairs, std::size_t words, const std::uint32_t* x,
                           std::size_t stride, float* sums) noexcept {
  __m512 low[Tokens], high[Tokens];
  for (std::size_t t = 0; t < Tokens; ++t) low[t] = high[t] = zero();
  for (std::size_t c = 0; c < words; ++c, pairs += brick_outputs) {
    const auto wl = reinterpret_cast<__m512bh>(_mm512_loadu_si512(pairs));
    const auto wh = reinterpret_cast<__m512bh>(_mm512_loadu_si512(pairs + 16));
    for (std::size_t t = 0; t < Tokens; ++t) {
      const auto xt =
          reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(x[t * stride + c])));
      low[t] = _mm512_dpbf16_ps(low[t], wl, xt);
      high[t] = _mm512_dpbf16_ps(high[t], wh, xt);
    }
  }
  for (std::size_t t = 0; t < Tokens; ++t) {
    store(sums + t * brick_outputs, low[t]);
    store(sums + t * brick_outputs + 16, high[t]);
  }
}

template <std::size_t Tokens>
inline void multiply_pairs_rest(std::size_t tokens, const std::uint32_t* pairs, std::size_t words,
                                const std::uint32_t* x, std::size_t stride, float* sums) noexcept {
  if constexpr (Tokens > 1)
    if (tokens < Tokens)
      return multiply_pairs_rest<Tokens - 1>(tokens, pairs, words, x, stride, sums);
  multiply_pairs<Tokens>(pairs, words, x, stride, sums);
}

template <class T>
inline void gemm_bf16(const brick_weight<T>& w, index_range strips, matrix_view<const float> x,
                      matrix_view<float> y, float* scratch) noexcept {
  if (x.rows() < brick_tuning::rounded_batch) return gemm<T>(w, strips, x, y, scratch);
  const summation_parts parts = summation_of(w.shape.inputs);
  const std::size_t words = parts.length / 2;
  auto* const pairs = reinterpret_cast<std::uint32_t*>(scratch);
  std::uint32_t* const rounded = pairs + words * brick_outputs;
  float sums[gemm_tokens * brick_outputs];
  for (std::size_t part = 0; part < parts.count; ++part) {
    const std::size_t first = parts.begin(part), last = parts.end(part);
    pair_activations(x, first, last, words, rounded);
    for (std::size_t g = strips.first; g < strips.last; ++g) {
      pair_tile(w, g, first, last, pairs);
      for (std::size_t t = 0; t < x.rows(); t += gemm_tokens) {
        const std::size_t left = x.rows() - t;
        const std::size_t count = left < gemm_tokens ? left : gemm_tokens;
        multiply_pairs_rest<gemm_tokens>(count, pairs, (last - first + 1) / 2, rounded + t * words,
                                         words, sums);
        for (std::size_t i = 0; i < count; ++i)
          merge_outputs(sums + i * brick_outputs, part == 0, w.shape.outputs, g, &y(t + i, 0));
      }
    }
  }
}
