// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The product in registers that every batch of floats ends in: some channels of 32 outputs against
// some tokens. Included once per instruction set, after unrolled.inl.

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

// Channels that stand widened in a tile [channels][32].
struct tile_source {
  const float* tile;
  SPARSELLM_INLINE void operator()(std::size_t k, std::size_t s, vfloat& low,
                                   vfloat& high) const noexcept {
    low = load(tile + k * 32 + s);
    high = load(tile + k * 32 + 16 + s);
  }
};

// sums [Tokens][32] = (first ? 0 : sums) + channels against x [channels][Tokens], x_stride apart.
// source(k, s, low, high) gives outputs s to s + lanes and s + 16 to s + 16 + lanes of channel k.
template <std::size_t Tokens, class Source>
inline void add_channels_to(const Source& source, std::size_t channels, const float* x,
                            std::size_t x_stride, bool first, float* sums,
                            std::size_t stride) noexcept {
  for (std::size_t s = 0; s < 16; s += lanes) {
    vfloat low[Tokens], high[Tokens];
    unrolled<Tokens>([&](auto t) {
      low[t] = first ? zero() : load(sums + t * stride + s);
      high[t] = first ? zero() : load(sums + t * stride + 16 + s);
    });
    const float* some = x;
    for (std::size_t k = 0; k < channels; ++k, some += x_stride) {
      vfloat wl, wh;
      source(k, s, wl, wh);
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
template <std::size_t Tokens = gemm_tokens, class Source>
inline void add_to_tokens(std::size_t tokens, const Source& source, std::size_t channels,
                          const float* x, std::size_t x_stride, bool first, float* sums,
                          std::size_t stride) noexcept {
  if constexpr (Tokens > 1)
    if (tokens < Tokens)
      return add_to_tokens<Tokens - 1>(tokens, source, channels, x, x_stride, first, sums, stride);
  add_channels_to<Tokens>(source, channels, x, x_stride, first, sums, stride);
}
