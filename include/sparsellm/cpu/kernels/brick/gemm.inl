// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A batch. Included once per instruction set, inside its namespace and target region. A term is
// added in the same order as for one token, so a batch gives the bits that its tokens give one by
// one.

// The product of a few tokens straight from the bricks of strip g, for batches so small that
// widening into a tile costs more than it saves.
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

template <class Ahead>
struct tile_beside {
  tile_source tile;
  const Ahead& ahead;
  SPARSELLM_INLINE void operator()(std::size_t k, std::size_t s, vfloat& low,
                                   vfloat& high) const noexcept {
    if (s == 0) ahead(k);
    tile(k, s, low, high);
  }
};

// The way of floats.
template <class T>
struct widened_tiles {
  using element = float;
  static constexpr std::size_t words(std::size_t n) noexcept { return n; }

  static void pack(matrix_view<const float> x, index_range some, float* packed) noexcept {
    const token_groups groups(x.rows());
    for (std::size_t t = 0; t < x.rows(); t += groups.most) {
      const std::size_t n = groups.from(t);
      for (std::size_t i = 0; i < n; ++i) {
        const float* const row = &x(t + i, 0);
        float* to = packed + i;
        for (std::size_t c = some.first; c < some.last; ++c, to += n) *to = row[c];
      }
      packed += (some.last - some.first) * n;
    }
  }
  static void make(const brick_weight<T>& w, std::size_t g, index_range some,
                   float* tile) noexcept {
    for (std::size_t c = some.first; c < some.last; ++c, tile += brick_outputs)
      for (std::size_t s = 0; s < 16; s += lanes) {
        vfloat low, high;
        load_brick(w.brick(g, c), s, low, high);
        store(tile + s, low);
        store(tile + 16 + s, high);
      }
  }
  template <class Ahead>
  static void add(std::size_t tokens, const float* tile, std::size_t count, const float* x,
                  bool first, float* sums, const Ahead& ahead) noexcept {
    add_to_tokens(tokens, tile_beside<Ahead>{{tile}, ahead}, count, x, tokens, first, sums,
                  brick_outputs);
  }
};

// The views made here have x's stride, which a view has checked: they do not throw.
template <class T>
// NOLINTNEXTLINE(bugprone-exception-escape)
inline void gemm(const brick_weight<T>& w, index_range strips, matrix_view<const float> x,
                 matrix_view<float> y, float* scratch) noexcept {
  // Memory decides, and a panel is one stream, strip by strip. A second walk finds the part's
  // bricks in cache.
  const bool panel = w.channel_stride < w.strip_stride;
  if (panel && x.rows() <= 2 * gemm_tokens) {
    const summation_parts parts = summation_of(w.shape.inputs);
    float sums[gemm_tokens * brick_outputs];
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
  walk_tiles<widened_tiles<T>>(w, strips, x, y, scratch);
}
