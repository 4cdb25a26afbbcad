// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A small batch on active channels. Included once per instruction set, inside its namespace and
// target region. A pass over some strips adds pass_channels channels: their bricks of a strip stay
// in L1 while gemm_tokens tokens at a time are multiplied, sums in registers. Terms are added in
// the order of one token's product.

// Channels of a pass: with fewer the traffic of the sums shows, with more there are more streams
// than hardware prefetchers follow.
inline constexpr std::size_t pass_channels = 24;

// Some channels and what each token has of them, value [channels][tokens].
template <class T>
struct batch_pass {
  channel_runs<pass_channels, T> runs;
  std::size_t channels;
  const float* value;
  std::size_t tokens;
  bool first;  // the sums begin here
};

// One strip, `at` elements into each run, tokens [t, t + Tokens).
template <std::size_t Tokens, class T>
inline void add_pass(const batch_pass<T>& pass, std::size_t at, std::size_t t, float* sums,
                     std::size_t stride) noexcept {
  const auto far = pass.runs.ahead_of(at);
  for (std::size_t s = 0; s < 16; s += lanes) {
    const bool prefetches = s == 0 && t == 0;
    vfloat low[Tokens], high[Tokens];
    unrolled<Tokens>([&](auto i) {
      low[i] = pass.first ? zero() : load(sums + i * stride + s);
      high[i] = pass.first ? zero() : load(sums + i * stride + 16 + s);
    });
    const float* value = pass.value + t;
    for (std::size_t k = 0; k < pass.channels; ++k, value += pass.tokens) {
      if (prefetches) far.prefetch(k);
      vfloat wl, wh;
      load_brick(pass.runs.run[k] + at, s, wl, wh);
      unrolled<Tokens>([&](auto i) {
        const vfloat x = broadcast(value[i]);
        low[i] = mul_add(wl, x, low[i]);
        high[i] = mul_add(wh, x, high[i]);
      });
    }
    unrolled<Tokens>([&](auto i) {
      store(sums + i * stride + s, low[i]);
      store(sums + i * stride + 16 + s, high[i]);
    });
  }
}

// As many tokens at once as there are, up to Tokens.
template <std::size_t Tokens, class T>
inline void add_pass_of(std::size_t tokens, const batch_pass<T>& pass, std::size_t at,
                        std::size_t t, float* sums, std::size_t stride) noexcept {
  if constexpr (Tokens > 1)
    if (tokens < Tokens) return add_pass_of<Tokens - 1>(tokens, pass, at, t, sums, stride);
  add_pass<Tokens>(pass, at, t, sums, stride);
}

template <class T>
inline void channel_batch(const brick_weight<T>& w, index_range strips, active_channels active,
                          const float* x, std::size_t tokens, float* sums,
                          std::size_t stride) noexcept {
  if (active.count == 0)
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t o = 0; o < (strips.last - strips.first) * brick_outputs; ++o)
        sums[t * stride + o] = 0.0f;
  // Groups of tokens that are about equal.
  const std::size_t groups = (tokens + gemm_tokens - 1) / gemm_tokens;
  const std::size_t some = (tokens + groups - 1) / groups;
  for (std::size_t i = 0; i < active.count; i += pass_channels) {
    const std::size_t left = active.count - i, count = left < pass_channels ? left : pass_channels;
    const std::uint32_t* const index = active.index + i;
    const auto next_of = [&](std::size_t k) -> std::size_t {
      if (k + pass_channels < left) return index[k + pass_channels];
      return left <= pass_channels && k < active.next_count ? active.next[k] : w.shape.inputs;
    };
    const batch_pass<T> pass{
        {w, strips, index, count, next_of}, count, x + i * tokens, tokens, i == 0};
    float* to = sums;
    for (std::size_t at = 0; at != pass.runs.end; at += w.strip_stride, to += brick_outputs)
      for (std::size_t t = 0; t < tokens; t += some)
        add_pass_of<gemm_tokens>(tokens - t < some ? tokens - t : some, pass, at, t,
                                 to + t * stride, stride);
  }
}
