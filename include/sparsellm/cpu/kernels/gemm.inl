// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A batch. Included once per instruction set, inside its namespace and target region. For each part
// of the channels and each group of 32 outputs: widen the bricks into a tile of floats that stays
// in L2, then multiply it with the tokens, gemm_tokens at a time, sums in registers. A term is
// added in the same order as for one token, so a batch gives the bits that its tokens give one by
// one.

// tile [channels][32] from one group's bricks
template <class T>
inline void widen_tile(const grouped_weight<T>& w, std::size_t g, std::size_t first,
                       std::size_t last, float* tile) noexcept {
  for (std::size_t c = first; c < last; ++c, tile += group_outputs)
    for (std::size_t s = 0; s < 16; s += lanes) {
      vfloat low, high;
      load_group(w.brick(g, c), s, low, high);
      store(tile + s, low);
      store(tile + 16 + s, high);
    }
}

// Adds sums [32] to, or stores them in, the outputs of group g that exist.
SPARSELLM_INLINE void merge_outputs(const float* sums, bool first, std::size_t outputs,
                                    std::size_t g, float* y) noexcept {
  const std::size_t from = g * group_outputs;
  const std::size_t count = outputs - from < group_outputs ? outputs - from : group_outputs;
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
    for (std::size_t c = 0; c < channels; ++c, w += group_outputs) {
      const vfloat wl = load(w), wh = load(w + 16);
      for (std::size_t t = 0; t < Tokens; ++t) {
        const vfloat xt = broadcast(x[t * stride + c]);
        low[t] = mul_add(wl, xt, low[t]);
        high[t] = mul_add(wh, xt, high[t]);
      }
    }
    for (std::size_t t = 0; t < Tokens; ++t) {
      store(sums + t * group_outputs + s, low[t]);
      store(sums + t * group_outputs + 16 + s, high[t]);
    }
  }
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

template <class T>
inline void gemm(const grouped_weight<T>& w, group_range groups, matrix_view<const float> x,
                 matrix_view<float> y, float* scratch) noexcept {
  const summation_parts parts = summation_of(w.shape.inputs);
  float sums[gemm_tokens * group_outputs];
  for (std::size_t part = 0; part < parts.count; ++part) {
    const std::size_t first = parts.begin(part), last = parts.end(part);
    for (std::size_t g = groups.first; g < groups.last; ++g) {
      widen_tile(w, g, first, last, scratch);
      for (std::size_t t = 0; t < x.rows(); t += gemm_tokens) {
        const std::size_t left = x.rows() - t;
        const std::size_t count = left < gemm_tokens ? left : gemm_tokens;
        multiply_tile_rest<gemm_tokens>(count, scratch, last - first, &x(t, first), x.stride(),
                                        sums);
        for (std::size_t i = 0; i < count; ++i)
          merge_outputs(sums + i * group_outputs, part == 0, w.shape.outputs, g, &y(t + i, 0));
      }
    }
  }
}
