// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantised weights, one token or many. Included once per instruction set, inside its namespace and
// target region. Four channels are multiplied at a time (or eight, where a set says so): their
// levels are interleaved byte by byte, so that a 32-bit lane holds one output's four levels.

// Of outputs [o, o + lanes) of a strip.
template <int Bits, bool Affine, bool NonLinear>
SPARSELLM_INLINE vfloat scales_at(const quantized_weight<Bits, Affine, NonLinear>& w, std::size_t s,
                                  std::size_t b, std::size_t o) noexcept {
  return load_row(w.scales(s, b) + o);
}
template <int Bits, bool Affine, bool NonLinear>
SPARSELLM_INLINE vfloat minima_at(const quantized_weight<Bits, Affine, NonLinear>& w, std::size_t s,
                                  std::size_t b, std::size_t o) noexcept {
  return load_row(w.minima(s, b) + o);
}

template <int Bits, bool Affine, bool NonLinear>
SPARSELLM_INLINE void prefetch_scales(const quantized_weight<Bits, Affine, NonLinear>& w,
                                      std::size_t s, std::size_t b) noexcept {
  for (std::size_t at = 0; at < strip_outputs<Bits>; at += 32) {
    prefetch_l2(w.scales(s, b) + at);
    if constexpr (Affine) prefetch_l2(w.minima(s, b) + at);
  }
}

// y [strip_outputs] += scales · (the block's sums) · x's scale + minima · (the sum of x), outputs
// 16 k + at for each k of each nibble.
template <class W>
SPARSELLM_INLINE void finish_block(const W& w, std::size_t s, std::size_t b, const vsum* sums,
                                   std::size_t at, float scale, std::int32_t level_sum,
                                   float* y) noexcept {
  const vfloat x_scale = broadcast(scale);
  const vfloat x_sum = broadcast(scale * static_cast<float>(level_sum));
  const std::int32_t bias = (offset_of<W> - zero_of<W>)*level_sum;
  for (std::size_t k = 0; k < strip_outputs<W::bits> / 16; ++k) {
    vfloat total = load(y + at + 16 * k);
    if constexpr (W::affine) total = mul_add(minima_at(w, s, b, at + 16 * k), x_sum, total);
    total = mul_add(scales_at(w, s, b, at + 16 * k), mul(to_float(sums[k], bias), x_scale), total);
    store(y + at + 16 * k, total);
  }
}

// The lines of a stream that add_block() prefetches to L2, `step` with every four channels.
struct stream_ahead {
  const char* line = nullptr;
  std::size_t step = 0;
  SPARSELLM_INLINE void prefetch(std::size_t f) const noexcept {
    for (std::size_t i = 0; i < step; ++i) prefetch_l2(line + (f * step + i) * 64);
  }
};

// One strip of one block, one token.
template <class W>
SPARSELLM_INLINE void add_block(const W& w, std::size_t s, std::size_t b,
                                const quantized_activations& a, stream_ahead ahead,
                                float* y) noexcept {
  constexpr std::size_t vectors = strip_outputs<W::bits> / 16;
  const std::uint8_t* const channel = a.channel + b * a.slots * 4;
  const std::uint32_t* const word = a.word + b * a.slots * 2;
  for (std::size_t at = 0; at < 16; at += lanes) {
    vsum sums[vectors];
    for (std::size_t k = 0; k < vectors; ++k) sums[k] = zero_sum();
    for (std::size_t f = 0; f < a.count[b]; f += fours_at_once) {
      vbytes four[vectors];
      if (at == 0)
        for (std::size_t i = 0; i < fours_at_once; ++i) ahead.prefetch(f + i);
      interleave_channels(w, s, b, channel + 4 * f, at, four);
      const vlevels x = load_levels(word + 2 * f);
      for (std::size_t k = 0; k < vectors; ++k) sums[k] = dot_add(four[k], x, sums[k]);
    }
    finish_block(w, s, b, sums, at, a.scale[b], a.sum[b], y);
  }
}

// Tokens t to t + Tokens - 1 of a block whose levels are interleaved, four
// [count / fours_at_once][vectors].
template <std::size_t Tokens, class W>
SPARSELLM_INLINE void add_tokens(const W& w, std::size_t s, std::size_t b,
                                 const quantized_activations& a, const vbytes* four, std::size_t at,
                                 std::size_t t, float* y, std::size_t stride) noexcept {
  constexpr std::size_t vectors = strip_outputs<W::bits> / 16;
  constexpr std::size_t some = 4;  // 4 vectors' sums and the tokens' words stay in registers
  const std::uint32_t* word[Tokens];
  for (std::size_t i = 0; i < Tokens; ++i) word[i] = a.word + a.at(t + i, b) * a.slots * 2;
  vsum sums[Tokens][vectors];
  for (std::size_t k0 = 0; k0 < vectors; k0 += some) {
    for (std::size_t i = 0; i < Tokens; ++i)
      for (std::size_t k = k0; k < k0 + some; ++k) sums[i][k] = zero_sum();
    for (std::size_t f = 0; f < a.count[b]; f += fours_at_once) {
      vlevels x[Tokens];
      for (std::size_t i = 0; i < Tokens; ++i) x[i] = load_levels(word[i] + 2 * f);
      for (std::size_t k = k0; k < k0 + some; ++k)
        for (std::size_t i = 0; i < Tokens; ++i)
          sums[i][k] = dot_add(four[f / fours_at_once * vectors + k], x[i], sums[i][k]);
    }
  }
  for (std::size_t i = 0; i < Tokens; ++i)
    finish_block(w, s, b, sums[i], at, a.scale[a.at(t + i, b)], a.sum[a.at(t + i, b)],
                 y + (t + i) * stride);
}

// What add_block_tokens() prefetches of a channel_major weight that is read strip by strip: the
// channels of the block that is read next, a share of them beside every token.
template <class W>
struct next_channels {
  const W& w;
  std::size_t s, b, channels, each;
  const std::uint8_t* channel;

  SPARSELLM_INLINE next_channels(const W& weight, std::size_t strip, std::size_t block,
                                 const quantized_activations& a) noexcept
      : w(weight),
        s(strip),
        b(block),
        channels(std::size_t{a.count[block]} * 4),
        each((channels + a.tokens - 1) / a.tokens),
        channel(a.channel + block * a.slots * 4) {}
  SPARSELLM_INLINE void operator()(std::size_t token, std::size_t tokens) const noexcept {
    if (token == 0) prefetch_scales(w, s, b);
    const std::size_t end = (token + tokens) * each;
    for (std::size_t i = token * each; i < end && i < channels; ++i)
      prefetch_level(w, s, b, channel[i]);
  }
};
struct nothing_next {
  SPARSELLM_INLINE void operator()(std::size_t, std::size_t) const noexcept {}
};

// One strip of one block, all tokens: levels are interleaved once. y [tokens] at a distance of
// stride.
template <class W, class Ahead>
inline void add_block_tokens(const W& w, std::size_t s, std::size_t b,
                             const quantized_activations& a, float* y, std::size_t stride,
                             const Ahead& ahead) noexcept {
  constexpr std::size_t vectors = strip_outputs<W::bits> / 16;
  const std::uint8_t* const channel = a.channel + b * a.slots * 4;
  const std::size_t fours = a.count[b];
  for (std::size_t at = 0; at < 16; at += lanes) {
    vbytes four[32 / fours_at_once * vectors];
    for (std::size_t f = 0; f < fours; f += fours_at_once) {
      interleave_channels(w, s, b, channel + 4 * f, at, four + f / fours_at_once * vectors);
    }
    std::size_t t = 0;
    for (; t + level_tokens <= a.tokens; t += level_tokens) {
      if (at == 0) ahead(t, level_tokens);
      add_tokens<level_tokens>(w, s, b, a, four, at, t, y, stride);
    }
    if constexpr (level_tokens > 1)
      for (; t < a.tokens; ++t) add_tokens<1>(w, s, b, a, four, at, t, y, stride);
  }
}

template <class W>
inline void quantized_panel(const W& w, index_range strip_parts, summation_parts parts,
                            const quantized_activations& a, float* sums,
                            std::size_t stride) noexcept {
  constexpr std::size_t outputs = strip_outputs<W::bits>;
  const std::size_t lines = w.block_stride / 64, step = (lines + a.slots - 1) / a.slots;
  for (std::size_t i = strip_parts.first; i < strip_parts.last; ++i) {
    const std::size_t s = i / parts.count, part = i % parts.count;
    float* const y = sums + part * stride + s * outputs;
    for (std::size_t o = 0; o < outputs; ++o) y[o] = 0.0f;
    const std::size_t last = (parts.end(part) + w.block_channels - 1) / w.block_channels;
    for (std::size_t b = (parts.begin(part) + w.block_channels - 1) / w.block_channels; b < last;
         ++b)
      add_block(w, s, b, a,
                stream_ahead{reinterpret_cast<const char*>(w.scales(s, b)) +
                                 quantized_tuning::stream_distance,
                             step},
                y);
  }
}

// Some blocks of one strip, all tokens, in ascending order. sums [tokens][strip_outputs]; rows are
// scratch that this does not need.
template <class W>
inline void add_blocks(const W& w, std::size_t s, index_range blocks,
                       const quantized_activations& a, float* sums, std::byte*) noexcept {
  const bool panel = w.channel_stride == strip_bytes;
  for (std::size_t b = blocks.first; b < blocks.last; ++b) {
    if (panel) {  // one stream, as for one token
      const auto* const block =
          reinterpret_cast<const char*>(w.scales(s, b)) + quantized_tuning::stream_distance;
      for (std::size_t at = 0; at < w.block_stride; at += 64) prefetch_l2(block + at);
    }
    if (a.count[b] == 0) continue;
    if (panel) {
      add_block_tokens(w, s, b, a, sums, strip_outputs<W::bits>, nothing_next{});
    } else {
      const bool more = b + 1 < w.blocks();
      add_block_tokens(w, s, b, a, sums, strip_outputs<W::bits>,
                       next_channels<W>(w, more ? s : s + 1, more ? b + 1 : 0, a));
    }
  }
}

// Add: add_blocks(), or what does the same.
template <class W, auto Add>
inline void quantized_strips(const W& w, index_range strips, summation_parts parts,
                             const quantized_activations& a, matrix_view<float> y,
                             float* scratch) noexcept {
  constexpr std::size_t outputs = strip_outputs<W::bits>;
  float* const part_sums = scratch;
  float* const total = scratch + a.tokens * outputs;
  auto* const rows = reinterpret_cast<std::byte*>(total + a.tokens * outputs);
  for (std::size_t s = strips.first; s < strips.last; ++s) {
    for (std::size_t part = 0; part < parts.count; ++part) {
      float* const sums = part == 0 ? total : part_sums;
      for (std::size_t o = 0; o < a.tokens * outputs; ++o) sums[o] = 0.0f;
      const std::size_t first = (parts.begin(part) + w.block_channels - 1) / w.block_channels;
      const std::size_t last = (parts.end(part) + w.block_channels - 1) / w.block_channels;
      Add(w, s, {first, last}, a, sums, rows);
      if (part == 0) continue;
      for (std::size_t o = 0; o < a.tokens * outputs; o += lanes)
        store(total + o, add(load(total + o), load(sums + o)));
    }
    const std::size_t first = s * outputs;
    const std::size_t n = w.shape.outputs - first < outputs ? w.shape.outputs - first : outputs;
    for (std::size_t t = 0; t < a.tokens; ++t)
      for (std::size_t o = 0; o < n; ++o) y(t, first + o) = total[t * outputs + o];
  }
}

template <class W>
inline void quantized_blocks(const W& w, index_range strips, index_range blocks,
                             std::size_t rounded_end, const quantized_activations& a, float* sums,
                             std::size_t stride) noexcept {
  constexpr std::size_t outputs = strip_outputs<W::bits>;
  for (std::size_t t = 0; t < a.tokens; ++t)
    for (std::size_t o = strips.first * outputs; o < strips.last * outputs; ++o)
      sums[t * stride + o] = 0.0f;
  const std::size_t count = strips.last - strips.first;
  const std::size_t ahead =
      count < quantized_tuning::run_ahead ? count : quantized_tuning::run_ahead;
  for (std::size_t b = blocks.first; b < blocks.last; ++b) {
    const std::uint8_t* const channel = a.channel + b * a.slots * 4;
    const std::size_t active = std::size_t{a.count[b]} * 4;
    const std::size_t next = b + 1 < rounded_end ? b + 1 : b;
    const std::uint8_t* const next_channel = a.channel + next * a.slots * 4;
    const std::size_t next_active = std::size_t{a.count[next]} * 4;
    for (std::size_t s = strips.first; s < strips.last; ++s) {
      // A few strips ahead in the runs of this block's channels, at their ends where the next
      // block's begin: hardware prefetchers then follow every run.
      if (s + ahead < strips.last) {
        prefetch_levels(w, s + ahead, b, channel, active);
        prefetch_scales(w, s + ahead, b);
      } else if (next_active != 0) {
        prefetch_levels(w, s + ahead - count, next, next_channel, next_active);
        prefetch_scales(w, s + ahead - count, next);
      }
      if (active == 0) continue;
      if (a.tokens == 1)
        add_block(w, s, b, a, stream_ahead{}, sums + s * outputs);
      else
        add_block_tokens(w, s, b, a, sums + s * outputs, stride, nothing_next{});
    }
  }
}
