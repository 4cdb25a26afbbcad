// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A large batch of quantised weights through AMX: tdpbsud multiplies 16 tokens' signed bytes with
// 16 outputs' unsigned levels, 64 of each. A token's row is what round_activations() has left,
// words of four high bytes and of four low ones in turn; so rows of levels, four channels of 16
// outputs each, stand in turn with rows of zeros. From the first row of zeros on they multiply the
// low bytes, from the row after it the high ones:
//   0, four 0, 0, four 1, 0, … four 7, 0
// Sums of a block are exact, and finished as finish_block() does: the bits are those of every other
// instruction set.

// Rows that a block of `fours` takes for 16 outputs: whole tiles of eight fours, and the last
// zeros.
SPARSELLM_INLINE std::size_t rows_of(std::size_t fours) noexcept {
  return (fours + 7) / 8 * 16 + 1;
}

// rows [strip_outputs / 16][rows_of] of a block.
template <class W>
inline void make_rows(const W& w, std::size_t s, std::size_t b, const quantized_activations& a,
                      std::byte* rows) noexcept {
  constexpr std::size_t vectors = strip_outputs<W::bits> / 16;
  const std::uint8_t* const channel = a.channel + b * a.slots * 4;
  const std::size_t fours = a.count[b], count = rows_of(fours);
  for (std::size_t f = 0; 2 * f + 1 < count; ++f) {
    vbytes four[vectors];
    if (f < fours) interleave_channels(w, s, b, channel + 4 * f, 0, four);
    for (std::size_t k = 0; k < vectors; ++k) {
      std::byte* const to = rows + (k * count + 2 * f) * 64;
      _mm512_storeu_si512(to, _mm512_setzero_si512());
      _mm512_storeu_si512(to + 64, f < fours ? four[k] : _mm512_setzero_si512());
    }
  }
  for (std::size_t k = 0; k < vectors; ++k)
    _mm512_storeu_si512(rows + (k * count + count - 1) * 64, _mm512_setzero_si512());
}

// What a group of tokens is multiplied with in a block.
struct token_scales {
  float scale[16], sum[16];  // of x, and of the levels times it
  std::int32_t bias[16];
};

// sums [n][strip_outputs] += a block of n tokens, up to 16, from token t on.
template <class W>
inline void add_tiles(const W& w, std::size_t s, std::size_t b, const quantized_activations& a,
                      std::size_t t, std::size_t n, const std::byte* rows, float* sums) noexcept {
  constexpr std::size_t outputs = strip_outputs<W::bits>;
  const std::size_t fours = a.count[b], stride = rows_of(fours) * 64;
  const std::uint32_t* const word = a.word + a.at(t, b) * a.slots * 2;
  const std::size_t token_bytes = a.blocks * a.slots * 2 * sizeof(std::uint32_t);
  token_scales x;
  for (std::size_t i = 0; i < n; ++i) {
    x.scale[i] = a.scale[a.at(t + i, b)];
    x.sum[i] = x.scale[i] * static_cast<float>(a.sum[a.at(t + i, b)]);
    x.bias[i] = -zero_of<W> * a.sum[a.at(t + i, b)];
  }
  alignas(64) std::int32_t high[2][16 * 16], low[2][16 * 16];
  for (std::size_t o = 0; o < outputs; o += 32, rows += 2 * stride) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::size_t f = 0; f < fours; f += 8) {
      _tile_loadd(4, word + 2 * f, token_bytes);
      _tile_loadd(5, rows + f * 128 + 64, 64);
      _tile_dpbsud(0, 4, 5);
      _tile_loadd(6, rows + f * 128, 64);
      _tile_dpbsud(1, 4, 6);
      _tile_loadd(5, rows + stride + f * 128 + 64, 64);
      _tile_dpbsud(2, 4, 5);
      _tile_loadd(6, rows + stride + f * 128, 64);
      _tile_dpbsud(3, 4, 6);
    }
    _tile_stored(0, high[0], 64);
    _tile_stored(1, low[0], 64);
    _tile_stored(2, high[1], 64);
    _tile_stored(3, low[1], 64);
    for (std::size_t k = 0; k < 2; ++k) {
      const std::size_t at = o + 16 * k;
      const vfloat scale = scales_at(w, s, b, at);
      vfloat minimum{};
      if constexpr (W::affine) minimum = minima_at(w, s, b, at);
      for (std::size_t i = 0; i < n; ++i) {
        float* const y = sums + i * outputs + at;
        vfloat total = load(y);
        if constexpr (W::affine) total = mul_add(minimum, broadcast(x.sum[i]), total);
        const vsum sum{_mm512_load_si512(high[k] + 16 * i), _mm512_load_si512(low[k] + 16 * i)};
        store(y, mul_add(scale, mul(to_float(sum, x.bias[i]), broadcast(x.scale[i])), total));
      }
    }
  }
}

// As add_blocks(). Levels of some blocks are made rows, then groups of tokens go through all of
// them, so that a group's sums stay in L1.
template <class W>
inline void add_blocks_by_tiles(const W& w, std::size_t s, index_range blocks,
                                const quantized_activations& a, float* sums,
                                std::byte* rows) noexcept {
  if (a.tokens < quantized_tuning::tile_batch) return add_blocks<W>(w, s, blocks, a, sums, rows);
  constexpr std::size_t outputs = strip_outputs<W::bits>;
  const std::size_t least = w.block_channels < 32 ? 32 : w.block_channels;  // a tile's channels
  const std::size_t at_once = quantized_tuning::channels_at_once / least;
  const std::size_t block_bytes = rows_of(a.slots) * 64 * (outputs / 16);
  _tile_loadconfig(&shapes_for.tokens[16]);
  for (std::size_t b0 = blocks.first; b0 < blocks.last; b0 += at_once) {
    const std::size_t last = b0 + at_once < blocks.last ? b0 + at_once : blocks.last;
    for (std::size_t b = b0; b < last; ++b) make_rows(w, s, b, a, rows + (b - b0) * block_bytes);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    for (std::size_t t = 0; t < a.tokens; t += 16) {
      const std::size_t n = a.tokens - t < 16 ? a.tokens - t : 16;
      if (n < 16) _tile_loadconfig(&shapes_for.tokens[n]);
      for (std::size_t b = b0; b < last; ++b)
        if (a.count[b] != 0)
          add_tiles(w, s, b, a, t, n, rows + (b - b0) * block_bytes, sums + t * outputs);
      if (n < 16) _tile_loadconfig(&shapes_for.tokens[16]);
    }
  }
  _tile_release();
}
