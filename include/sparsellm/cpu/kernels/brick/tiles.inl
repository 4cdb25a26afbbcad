// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A large batch of bfloat16 weights through AMX: tdpbf16ps multiplies 16 tokens' 32 channels with
// 16 outputs' in 16 cycles. Two tiles of tokens by two of outputs, for each tile to be used twice
// after it was loaded, are four tiles of sums.
//   tokens   16 rows of 32 channels, as arrange_tiles() leaves them
//   outputs  16 rows of 16 words, each two channels of an output: half a strip of pair_tile()
//   sums     16 tokens of 16 outputs
// An output's sum is one chain over all channels in tiles of 32: it does not depend on how
// channels, tokens or strips are cut into what the caches hold (docs/numerics.md).
// The compiler does not know that a tile is loaded from memory (g++ 12): a fence for the compiler
// stands between what is stored and what is loaded as a tile.

inline void arrange_tiles(matrix_view<const float> x, std::byte* tiles) noexcept {
  const auto lanes_below = [](std::size_t n) {
    return static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1);
  };
  for (std::size_t c = 0; c < x.cols(); c += tile_channels, tiles += tile_bytes) {
    const std::size_t left = x.cols() - c;
    const __mmask16 low = lanes_below(left), high = lanes_below(left < 16 ? 0 : left - 16);
    for (std::size_t t = 0; t < tile_tokens; ++t) {
      __m512i line = _mm512_setzero_si512();
      if (t < x.rows()) {
        const float* const from = &x(t, c);
        line = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, from + 16),
                                                             _mm512_maskz_loadu_ps(low, from)));
      }
      _mm512_storeu_si512(tiles + t * 64, line);
    }
  }
}

// pairs [channels / 2][32] of strip g, whole tiles: zeros where there is no channel.
inline void pair_tiles(const brick_weight<bfloat16>& w, std::size_t g, std::size_t first,
                       std::size_t last, std::uint32_t* pairs) noexcept {
  pair_tile(w, g, first, last, pairs);
  const std::size_t words = (last - first + 1) / 2;
  for (std::size_t c = words; c % (tile_channels / 2) != 0; ++c) {
    _mm512_storeu_si512(pairs + c * brick_outputs, _mm512_setzero_si512());
    _mm512_storeu_si512(pairs + c * brick_outputs + 16, _mm512_setzero_si512());
  }
}

// sums [16 · Groups][32] = (first ? 0 : sums) + `count` tiles of each group of 16 tokens, the
// groups `stride` bytes apart, against pairs.
template <std::size_t Groups>
inline void multiply_groups(const std::byte* x, std::size_t stride, const std::uint32_t* pairs,
                            std::size_t count, bool first, float* sums) noexcept {
  constexpr std::size_t row = brick_outputs * sizeof(float), next = tile_tokens * brick_outputs;
  if (first) {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (Groups == 2) {
      _tile_zero(2);
      _tile_zero(3);
    }
  } else {
    _tile_loadd(0, sums, row);
    _tile_loadd(1, sums + 16, row);
    if constexpr (Groups == 2) {
      _tile_loadd(2, sums + next, row);
      _tile_loadd(3, sums + next + 16, row);
    }
  }
  for (std::size_t k = 0; k < count;
       ++k, x += tile_bytes, pairs += tile_channels / 2 * brick_outputs) {
    _tile_loadd(4, x, 64);
    _tile_loadd(6, pairs, row);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, pairs + 16, row);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (Groups == 2) {
      _tile_loadd(5, x + stride, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, row);
  _tile_stored(1, sums + 16, row);
  if constexpr (Groups == 2) {
    _tile_stored(2, sums + next, row);
    _tile_stored(3, sums + next + 16, row);
  }
}

// The bricks of a strip's channels that are read next, brought to L2 while tiles are multiplied.
struct bricks_ahead {
  const brick_weight<bfloat16>& w;
  std::size_t strip, first, count;
  // Share i of n.
  SPARSELLM_INLINE void prefetch(std::size_t i, std::size_t n) const noexcept {
    for (std::size_t c = count * i / n; c < count * (i + 1) / n; ++c)
      prefetch_l2(w.brick(strip, first + c));
  }
};

// One strip's channels [first, last) against groups of 16 tokens.
inline void multiply_strip(const std::byte* x, std::size_t stride, std::size_t groups,
                           const std::uint32_t* pairs, std::size_t count, bool first,
                           const bricks_ahead& ahead, float* sums) noexcept {
  for (std::size_t i = 0; i < groups; i += 2) {
    ahead.prefetch(i / 2, (groups + 1) / 2);
    const std::byte* const from = x + i * stride;
    float* const to = sums + i * tile_tokens * brick_outputs;
    if (i + 1 < groups)
      multiply_groups<2>(from, stride, pairs, count, first, to);
    else
      multiply_groups<1>(from, stride, pairs, count, first, to);
  }
}

// T is bfloat16: a template, so that nothing is compiled before it is used.
template <class T>
inline void multiply_tiles(const brick_weight<T>& w, index_range strips, const std::byte* x,
                           matrix_view<float> y, float* scratch) noexcept {
  constexpr std::size_t at_once = tile_tuning::strips_at_once, block = tile_tuning::block_channels;
  const std::size_t inputs = w.shape.inputs,
                    stride = (inputs + tile_channels - 1) / tile_channels * tile_bytes;
  auto* const pairs = reinterpret_cast<std::uint32_t*>(scratch);
  float* const sums = scratch + block / 2 * brick_outputs;
  _tile_loadconfig(&shapes_for.tokens[tile_tokens]);
  for (std::size_t g0 = strips.first; g0 < strips.last; g0 += at_once) {
    const std::size_t g_end = g0 + at_once < strips.last ? g0 + at_once : strips.last;
    for (std::size_t t0 = 0; t0 < y.rows(); t0 += tile_tuning::block_tokens) {
      const std::size_t left = y.rows() - t0;
      const std::size_t tokens =
          left < tile_tuning::block_tokens ? left : tile_tuning::block_tokens;
      const std::size_t groups = (tokens + tile_tokens - 1) / tile_tokens;
      const std::size_t strip_sums = groups * tile_tokens * brick_outputs;
      for (std::size_t c0 = 0; c0 < inputs; c0 += block) {
        const std::size_t c_end = c0 + block < inputs ? c0 + block : inputs;
        for (std::size_t g = g0; g < g_end; ++g) {
          pair_tiles(w, g, c0, c_end, pairs);
          __atomic_signal_fence(__ATOMIC_SEQ_CST);
          const bool same_channels = g + 1 < g_end;
          const std::size_t next = same_channels ? c0 : c_end < inputs ? c_end : 0;
          const std::size_t next_strip = same_channels ? g + 1 : c_end < inputs ? g0 : g_end;
          const std::size_t count = next_strip == strips.last ? 0
                                    : inputs - next < block   ? inputs - next
                                                              : block;
          multiply_strip(x + t0 / tile_tokens * stride + c0 / tile_channels * tile_bytes, stride,
                         groups, pairs, (c_end - c0 + tile_channels - 1) / tile_channels, c0 == 0,
                         {w, next_strip, next, count}, sums + (g - g0) * strip_sums);
        }
      }
      for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t g = g0; g < g_end; ++g)
          merge_outputs(sums + (g - g0) * strip_sums + t * brick_outputs, true, w.shape.outputs, g,
                        &y(t0 + t, 0));
    }
  }
  _tile_release();
}
