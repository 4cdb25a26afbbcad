// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A batch. Included once per instruction set, inside its namespace and target region. For each part
// of the channels and each strip of 32 outputs: widen the bricks into a tile of floats that stays
// in L2, then multiply it with the tokens, gemm_tokens at a time, sums in registers. A term is
// added in the same order as for one token, so a batch gives the bits that its tokens give one by
// one.

// tile [channels][32] from one strip's bricks
template <class T>
inline void widen_tile(const brick_weight<T>& w, std::size_t g, std::size_t first, std::size_t last,
                       float* tile) noexcept {
  for (std::size_t c = first; c < last; ++c, tile += brick_outputs)
    for (std::size_t s = 0; s < 16; s += lanes) {
      vfloat low, high;
      load_brick(w.brick(g, c), s, low, high);
      store(tile + s, low);
      store(tile + 16 + s, high);
    }
}

// Adds sums [32] to, or stores them in, the outputs of strip g that exist.
SPARSELLM_INLINE void merge_outputs(const float* sums, bool first, std::size_t outputs,
                                    std::size_t g, float* y) noexcept {
  const std::size_t from = g * brick_outputs;
  const std::size_t count = outputs - from < brick_outputs ? outputs - from : brick_outputs;
  if (first)
    for (std::size_t o = 0; o < count; ++o) y[from + o] = sums[o];
  else
    for (std::size_t o = 0; o < count; ++o) y[from + o] += sums[o];
}

// sums [Tokens][32] = tile [channels][32] against x, token t at x + t · stride
template <std::size_t Tokens>
inline void multiply_tile(const float* tile, std::size_t channels, const float* x,
                          std::size_t stride, float* sums) noexcept {
  for (std::size_t s = 0; s < 16; s += lanes) {
    vfloat low[Tokens], high[Tokens];
    for (std::size_t t = 0; t < Tokens; ++t) low[t] = high[t] = zero();
    const float* w = tile + s;
    for (std::size_t c = 0; c < channels; ++c, w += brick_outputs) {
      const vfloat wl = load(w), wh = load(w + 16);
      for (std::size_t t = 0; t < Tokens; ++t) {
        const vfloat xt = broadcast(x[t * stride + c]);
        low[t] = mul_add(wl, xt, low[t]);
        high[t] = mul_add(wh, xt, high[t]);
      }
    }
    for (std::size_t t = 0; t < Tokens; ++t) {
      store(sums + t * brick_outputs + s, low[t]);
      store(sums + t * brick_outputs + 16 + s, high[t]);
    }
  }
}

// The same straight from the bricks of strip g, for batches so small that widening into a tile
// costs more than it saves.
template <std::size_t Tokens, class T>
inline void multiply_bricks(const brick_weight<T>& w, std::size_t g, std::size_t first,
                            std::size_t last, matrix_view<const float> x, float* sums) noexcept {
  constexpr std::size_t ahead = 8192 / (brick_outputs * sizeof(T));  // as dense_gemv()
  const float* row[Tokens];
  for (std::size_t t = 0; t < Tokens; ++t) row[t] = &x(t, 0);
  for (std::size_t s = 0; s < 16; s += lanes) {
    vfloat low[Tokens], high[Tokens];
    for (std::size_t t = 0; t < Tokens; ++t) low[t] = high[t] = zero();
    for (std::size_t c = first; c < last; ++c) {
      vfloat wl, wh;
      if (s == 0) prefetch_l2(w.brick(g, c + ahead));
      load_brick(w.brick(g, c), s, wl, wh);
      for (std::size_t t = 0; t < Tokens; ++t) {
        const vfloat xt = broadcast(row[t][c]);
        low[t] = mul_add(wl, xt, low[t]);
        high[t] = mul_add(wh, xt, high[t]);
      }
    }
    for (std::size_t t = 0; t < Tokens; ++t) {
      store(sums + t * brick_outputs + s, low[t]);
      store(sums + t * brick_outputs + 16 + s, high[t]);
    }
  }
}

template <std::size_t Tokens, class T>
inline void multiply_bricks_of(const brick_weight<T>& w, std::size_t g, std::size_t first,
                               std::size_t last, matrix_view<const float> x, float* sums) noexcept {
  if constexpr (Tokens > 1)
    if (x.rows() < Tokens) return multiply_bricks_of<Tokens - 1>(w, g, first, last, x, sums);
  multiply_bricks<Tokens>(w, g, first, last, x, sums);
}

// The last tokens of a batch: as many at once as there are.
template <std::size_t Tokens>
inline void multiply_tile_rest(std::size_t tokens, const float* tile, std::size_t channels,
                               const float* x, std::size_t stride, float* sums) noexcept {
  if constexpr (Tokens > 1)
    if (tokens < Tokens)
      return multiply_tile_rest<Tokens - 1>(tokens, tile, channels, x, stride, sums);
  multiply_tile<Tokens>(tile, channels, x, stride, sums);
}

// The views made here have x's stride, which a view has checked: they do not throw.
template <class T>
// NOLINTNEXTLINE(bugprone-exception-escape)
inline void gemm(const brick_weight<T>& w, index_range strips, matrix_view<const float> x,
                 matrix_view<float> y, float* scratch) noexcept {
  const summation_parts parts = summation_of(w.shape.inputs);
  float sums[gemm_tokens * brick_outputs];
  // Memory decides: one stream, strip by strip. A second walk finds the part's bricks in cache.
  if (x.rows() <= 2 * gemm_tokens) {
    for (std::size_t g = strips.first; g < strips.last; ++g)
      for (std::size_t part = 0; part < parts.count; ++part)
        for (std::size_t t = 0; t < x.rows(); t += gemm_tokens) {
          const std::size_t left = x.rows() - t;
          const matrix_view<const float> some(
              x.row(t).data(), left < gemm_tokens ? left : gemm_tokens, x.cols(), x.stride());
          multiply_bricks_of<gemm_tokens>(w, g, parts.begin(part), parts.end(part), some, sums);
          for (std::size_t i = 0; i < some.rows(); ++i)
            merge_outputs(sums + i * brick_outputs, part == 0, w.shape.outputs, g, &y(t + i, 0));
        }
    return;
  }
  for (std::size_t part = 0; part < parts.count; ++part) {
    const std::size_t first = parts.begin(part), last = parts.end(part);
    for (std::size_t g = strips.first; g < strips.last; ++g) {
      widen_tile(w, g, first, last, scratch);
      for (std::size_t t = 0; t < x.rows(); t += gemm_tokens) {
        const std::size_t left = x.rows() - t;
        const std::size_t count = left < gemm_tokens ? left : gemm_tokens;
        multiply_tile_rest<gemm_tokens>(count, scratch, last - first, &x(t, first), x.stride(),
                                        sums);
        for (std::size_t i = 0; i < count; ++i)
          merge_outputs(sums + i * brick_outputs, part == 0, w.shape.outputs, g, &y(t + i, 0));
      }
    }
  }
}
