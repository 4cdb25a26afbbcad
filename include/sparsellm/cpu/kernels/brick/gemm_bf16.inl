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
  constexpr __mmask32 upper = 0xaaaaaaaau;
  for (std::size_t c = first; c < last; c += 2, pairs += brick_outputs) {
    const __m512i even = _mm512_loadu_si512(w.brick(g, c));
    const __m512i odd =
        c + 1 < last ? _mm512_loadu_si512(w.brick(g, c + 1)) : _mm512_setzero_si512();
    _mm512_storeu_si512(pairs, _mm512_mask_blend_epi16(upper, even, high_half(odd)));
    _mm512_storeu_si512(pairs + 16, _mm512_mask_blend_epi16(
                                        upper, _mm512_maskz_srli_epi32(every_lane, even, 16), odd));
  }
}

// As add_channels_to(), of words of two channels.
template <std::size_t Tokens, class Ahead>
inline void add_pairs(const std::uint32_t* pairs, std::size_t words, const std::uint32_t* x,
                      bool first, float* sums, const Ahead& ahead) noexcept {
  __m512 low[Tokens], high[Tokens];
  unrolled<Tokens>([&](auto t) {
    low[t] = first ? zero() : load(sums + t * brick_outputs);
    high[t] = first ? zero() : load(sums + t * brick_outputs + 16);
  });
  for (std::size_t c = 0; c < words; ++c, pairs += brick_outputs, x += Tokens) {
    ahead(2 * c);
    ahead(2 * c + 1);
    const auto wl = reinterpret_cast<__m512bh>(_mm512_loadu_si512(pairs));
    const auto wh = reinterpret_cast<__m512bh>(_mm512_loadu_si512(pairs + 16));
    unrolled<Tokens>([&](auto t) {
      const auto xt = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(x[t])));
      low[t] = _mm512_dpbf16_ps(low[t], wl, xt);
      high[t] = _mm512_dpbf16_ps(high[t], wh, xt);
    });
  }
  unrolled<Tokens>([&](auto t) {
    store(sums + t * brick_outputs, low[t]);
    store(sums + t * brick_outputs + 16, high[t]);
  });
}

template <std::size_t Tokens, class Ahead>
inline void add_pairs_of(std::size_t tokens, const std::uint32_t* pairs, std::size_t words,
                         const std::uint32_t* x, bool first, float* sums,
                         const Ahead& ahead) noexcept {
  if constexpr (Tokens > 1)
    if (tokens < Tokens)
      return add_pairs_of<Tokens - 1>(tokens, pairs, words, x, first, sums, ahead);
  add_pairs<Tokens>(pairs, words, x, first, sums, ahead);
}

// The way of words of two bfloat16: activations are rounded.
struct paired_tiles {
  using element = std::uint32_t;
  static constexpr std::size_t words(std::size_t n) noexcept { return (n + 1) / 2; }

  static void pack(matrix_view<const float> x, index_range some, std::uint32_t* packed) noexcept {
    const token_groups groups(x.rows());
    const std::size_t count = some.last - some.first;
    for (std::size_t t = 0; t < x.rows(); t += groups.most) {
      const std::size_t n = groups.from(t);
      for (std::size_t i = 0; i < n; ++i) {
        const float* const row = &x(t + i, some.first);
        std::uint32_t* to = packed + i;
        std::size_t c = 0;
        for (; c + 32 <= count; c += 32) {
          std::uint32_t word[16];
          _mm512_storeu_si512(word, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(
                                        _mm512_loadu_ps(row + c + 16), _mm512_loadu_ps(row + c))));
          for (std::size_t k = 0; k < 16; ++k, to += n) *to = word[k];
        }
        for (; c < count; c += 2, to += n)
          *to = std::uint32_t{rounding::to_bfloat16(row[c])} |
                (c + 1 < count ? std::uint32_t{rounding::to_bfloat16(row[c + 1])} << 16 : 0u);
      }
      packed += words(count) * n;
    }
  }
  static void make(const brick_weight<bfloat16>& w, std::size_t g, index_range some,
                   std::uint32_t* tile) noexcept {
    pair_tile(w, g, some.first, some.last, tile);
  }
  template <class Ahead>
  static void add(std::size_t tokens, const std::uint32_t* tile, std::size_t count,
                  const std::uint32_t* x, bool first, float* sums, const Ahead& ahead) noexcept {
    add_pairs_of<gemm_tokens>(tokens, tile, count, x, first, sums, ahead);
  }
};

template <class T>
inline void gemm_bf16(const brick_weight<T>& w, index_range strips, matrix_view<const float> x,
                      matrix_view<float> y, float* scratch) noexcept {
  if (x.rows() < brick_tuning::rounded_batch) return gemm<T>(w, strips, x, y, scratch);
  walk_tiles<paired_tiles>(w, strips, x, y, scratch);
}
