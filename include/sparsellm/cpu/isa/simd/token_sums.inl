// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The product in registers that every batch of floats ends in: some channels of 32 outputs, widened
// to a tile that stays in L1, against some tokens. Included once per instruction set.

// Tokens in groups that are about equal, of gemm_tokens at most.
struct token_groups {
  std::size_t tokens, most;
  SPARSELLM_INLINE explicit token_groups(std::size_t n) noexcept : tokens(n) {
    const std::size_t groups = (n + gemm_tokens - 1) / gemm_tokens;
    most = (n + groups - 1) / groups;
  }
  // Of the group that begins at token t.
  [[nodiscard]] SPARSELLM_INLINE std::size_t from(std::size_t t) const noexcept {
    return tokens - t < most ? tokens - t : most;
  }
};

struct nothing_ahead {
  SPARSELLM_INLINE void operator()(std::size_t) const noexcept {}
};

// sums [Tokens][32] = (first ? 0 : sums) + tile [channels][32] against x [channels][Tokens], whose
// channels are x_stride apart. ahead(k) is called beside channel k.
template <std::size_t Tokens, class Ahead>
inline void add_tile(const float* tile, std::size_t channels, const float* x, std::size_t x_stride,
                     bool first, float* sums, std::size_t stride, const Ahead& ahead) noexcept {
  for (std::size_t s = 0; s < 16; s += lanes) {
    vfloat low[Tokens], high[Tokens];
    unrolled<Tokens>([&](auto t) {
      low[t] = first ? zero() : load(sums + t * stride + s);
      high[t] = first ? zero() : load(sums + t * stride + 16 + s);
    });
    const float *w = tile + s, *some = x;
    for (std::size_t k = 0; k < channels; ++k, w += 32, some += x_stride) {
      if (s == 0) ahead(k);
      const vfloat wl = load(w), wh = load(w + 16);
      unrolled<Tokens>([&](auto t) {
        const vfloat xt = broadcast(some[t]);
        low[t] = mul_add(wl, xt, low[t]);
        high[t] = mul_add(wh, xt, high[t]);
      });
    }
    unrolled<Tokens>([&](auto t) {
      store(sums + t * stride + s, low[t]);
      store(sums + t * stride + 16 + s, high[t]);
    });
  }
}

// As many tokens at once as there are, up to Tokens.
template <std::size_t Tokens = gemm_tokens, class Ahead>
inline void add_tile_of(std::size_t tokens, const float* tile, std::size_t channels, const float* x,
                        std::size_t x_stride, bool first, float* sums, std::size_t stride,
                        const Ahead& ahead) noexcept {
  if constexpr (Tokens > 1)
    if (tokens < Tokens)
      return add_tile_of<Tokens - 1>(tokens, tile, channels, x, x_stride, first, sums, stride,
                                     ahead);
  add_tile<Tokens>(tile, channels, x, x_stride, first, sums, stride, ahead);
}
