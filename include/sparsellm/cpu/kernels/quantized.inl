// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantised weights, one token or many. Included once per instruction set, inside its namespace and
// target region. Four channels are multiplied at a time: their rows are interleaved byte by byte,
// so that a 32-bit lane holds one output's four levels.

// Rounds 32 activations: level = x · inverse to the nearest, ties to even. Adding 1.5 · 2^23 leaves
// the integer in the low bits; one fused operation, so that no instruction set rounds twice.
SPARSELLM_INLINE void round_levels(const float* x, float inverse, std::int32_t* level) noexcept {
  constexpr float magic = 12582912.0f;
  float shifted[32];
  for (std::size_t i = 0; i < 32; i += lanes)
    store(shifted + i, mul_add(load(x + i), broadcast(inverse), broadcast(magic)));
  for (std::size_t i = 0; i < 32; ++i)
    level[i] = __builtin_bit_cast(std::int32_t, shifted[i]) - 0x4b400000;
}

// The largest |x| of 32, as bits: they compare as the numbers do, NaN largest.
SPARSELLM_INLINE std::uint32_t largest_bits(const float* x) noexcept {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x[i]) & 0x7fffffffu;
    most = bits > most ? bits : most;
  }
  return most;
}

// The levels, scale and sum of one token's block; loops of 32, a number that vectorises.
inline void round_block(const float* x, std::size_t group, std::int32_t* level, float& scale,
                        std::int32_t& sum) noexcept {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < group; i += 32) {
    const std::uint32_t bits = largest_bits(x + i);
    most = bits > most ? bits : most;
  }
  sum = 0;
  if (most >= 0x7f800000u) {  // not finite: any live channel will do, the scale poisons the sum
    scale = __builtin_bit_cast(float, 0x7fc00000u);
    for (std::size_t i = 0; i < group; ++i) level[i] = x[i] != 0.0f ? 1 : 0;
    return;
  }
  const float largest = __builtin_bit_cast(float, most);
  const bool tiny = largest < least_activation;
  scale = tiny ? 0.0f : largest / activation_levels;
  const float inverse = tiny ? 0.0f : activation_levels / largest;
  for (std::size_t i = 0; i < group; i += 32) {
    round_levels(x + i, inverse, level + i);
    for (std::size_t k = 0; k < 32; ++k) sum += level[i + k];
  }
}

// The same for the n channels that the last block may have.
SPARSELLM_INLINE void round_some(const float* x, std::size_t n, std::size_t group,
                                 std::int32_t* level, float& scale, std::int32_t& sum) noexcept {
  if (n == group) return round_block(x, group, level, scale, sum);
  float padded[128];
  for (std::size_t i = 0; i < group; ++i) padded[i] = i < n ? x[i] : 0.0f;
  round_block(padded, group, level, scale, sum);
}

// The levels of a token's block: of those listed in `channel`, or all as they come.
SPARSELLM_INLINE void list_levels(const std::int32_t* level, const std::uint8_t* channel,
                                  std::size_t count, bool all, std::size_t fours,
                                  std::uint32_t* word) noexcept {
  std::int32_t listed[128];
  if (!all) {
    for (std::size_t i = 0; i < count; ++i) listed[i] = level[channel[i]];
    for (std::size_t i = count; i < fours * 4; ++i) listed[i] = 0;
  }
  const std::int32_t* const from = all ? level : listed;
  for (std::size_t f = 0; f < fours; f += 4) {  // whole blocks are multiples of four fours
    std::int32_t some[16] = {};
    const std::size_t n = fours - f < 4 ? fours - f : 4;
    for (std::size_t i = 0; i < 4 * n; ++i) some[i] = from[4 * f + i];
    std::uint32_t words[8];
    pack_fours(n == 4 ? from + 4 * f : some, words);
    for (std::size_t i = 0; i < 2 * n; ++i) word[2 * f + i] = words[i];
  }
}

inline void round_activations(matrix_view<const float> x, std::size_t group, block_range blocks,
                              bool every_channel, const quantized_activations& a) noexcept {
  constexpr std::size_t tokens_at_once = 16;
  alignas(64) std::int32_t level[tokens_at_once][128];
  for (std::size_t b = blocks.first; b < blocks.last; ++b) {
    const std::size_t c0 = b * group;
    const std::size_t n = x.cols() - c0 < group ? x.cols() - c0 : group;
    std::uint8_t* const channel = a.channel + b * a.slots * 4;
    std::uint8_t live[128] = {};
    for (std::size_t t = 0; t < x.rows(); ++t) {
      std::int32_t* const mine = level[t % tokens_at_once];
      round_some(&x(t, c0), n, group, mine, a.scale[a.at(t, b)], a.sum[a.at(t, b)]);
      if (every_channel) {
        list_levels(mine, channel, group, true, group / 4, a.word + a.at(t, b) * a.slots * 2);
      } else {
        for (std::size_t i = 0; i < group; ++i)
          live[i] = static_cast<std::uint8_t>(live[i] | (mine[i] != 0 ? 1 : 0));
      }
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < group; ++i) {
      channel[count] = static_cast<std::uint8_t>(i);
      count += every_channel || live[i] != 0 ? 1 : 0;
    }
    const std::size_t fours = (count + 3) / 4;
    a.count[b] = static_cast<std::uint8_t>(fours);
    if (every_channel) continue;
    for (std::size_t i = count; i < fours * 4; ++i) channel[i] = channel[count - 1];
    for (std::size_t t = 0; t < x.rows(); ++t) {
      std::int32_t* const mine = level[t % tokens_at_once];
      if (x.rows() > tokens_at_once) {  // rounded a second time: all levels would not fit
        float scale;
        std::int32_t sum;
        round_some(&x(t, c0), n, group, mine, scale, sum);
      }
      list_levels(mine, channel, count, false, fours, a.word + a.at(t, b) * a.slots * 2);
    }
  }
}

// y [strip_outputs] += scales · (the block's sums) · x's scale + minima · (the sum of x), outputs
// 16 k + at for each k of each nibble.
template <int Bits, bool Affine>
SPARSELLM_INLINE void finish_block(const quantized_weight<Bits, Affine>& w, std::size_t s,
                                   std::size_t b, const vsum* sums, std::size_t at, float scale,
                                   std::int32_t level_sum, float* y) noexcept {
  const half* const scales = w.scales(s, b) + at;
  const half* const minima = w.minima(s, b) + at;
  const vfloat x_scale = broadcast(scale);
  const vfloat x_sum = broadcast(scale * static_cast<float>(level_sum));
  const std::int32_t bias = -zero_level<Bits, Affine> * level_sum;
  for (std::size_t k = 0; k < strip_outputs<Bits> / 16; ++k) {
    vfloat total = load(y + at + 16 * k);
    if constexpr (Affine) total = mul_add(load_row(minima + 16 * k), x_sum, total);
    total = mul_add(load_row(scales + 16 * k), mul(to_float(sums[k], bias), x_scale), total);
    store(y + at + 16 * k, total);
  }
}

// Two pages ahead in a stream: past the boundary where hardware prefetchers stop.
inline constexpr std::size_t stream_distance = 8192;

// The lines of a stream that add_block() asks for in L2, `step` with every four channels.
struct stream_ahead {
  const char* line = nullptr;
  std::size_t step = 0;
  SPARSELLM_INLINE void prefetch(std::size_t f) const noexcept {
    for (std::size_t i = 0; i < step; ++i) prefetch_l2(line + (f * step + i) * 64);
  }
};

// One strip of one block, one token.
template <int Bits, bool Affine>
SPARSELLM_INLINE void add_block(const quantized_weight<Bits, Affine>& w, std::size_t s,
                                std::size_t b, const quantized_activations& a, stream_ahead ahead,
                                float* y) noexcept {
  constexpr std::size_t vectors = strip_outputs<Bits> / 16;
  const std::uint8_t* const rows = w.rows(s, b);
  const std::uint8_t* const channel = a.channel + b * a.slots * 4;
  const std::uint32_t* const word = a.word + b * a.slots * 2;
  for (std::size_t at = 0; at < 16; at += lanes) {
    vsum sums[vectors];
    for (std::size_t k = 0; k < vectors; ++k) sums[k] = zero_sum();
    for (std::size_t f = 0; f < a.count[b]; ++f) {
      vbytes four[vectors];
      const std::uint8_t* const c = channel + 4 * f;
      if (at == 0) ahead.prefetch(f);
      interleave<Bits>(rows + c[0] * w.row_stride, rows + c[1] * w.row_stride,
                       rows + c[2] * w.row_stride, rows + c[3] * w.row_stride, 4 * at, four);
      const vlevels x = load_levels(word + 2 * f);
      for (std::size_t k = 0; k < vectors; ++k) sums[k] = dot_add(four[k], x, sums[k]);
    }
    finish_block(w, s, b, sums, at, a.scale[b], a.sum[b], y);
  }
}

// One strip of one block, all tokens: rows are interleaved once. y [tokens] at a distance of
// stride.
template <int Bits, bool Affine>
inline void add_block_tokens(const quantized_weight<Bits, Affine>& w, std::size_t s, std::size_t b,
                             const quantized_activations& a, float* y,
                             std::size_t stride) noexcept {
  constexpr std::size_t vectors = strip_outputs<Bits> / 16;
  constexpr std::size_t some = 4;  // 4 vectors' sums and a token's two words stay in registers
  const std::uint8_t* const rows = w.rows(s, b);
  const std::uint8_t* const channel = a.channel + b * a.slots * 4;
  const std::size_t fours = a.count[b];
  for (std::size_t at = 0; at < 16; at += lanes) {
    vbytes four[32 * vectors];
    for (std::size_t f = 0; f < fours; ++f) {
      const std::uint8_t* const c = channel + 4 * f;
      interleave<Bits>(rows + c[0] * w.row_stride, rows + c[1] * w.row_stride,
                       rows + c[2] * w.row_stride, rows + c[3] * w.row_stride, 4 * at,
                       four + f * vectors);
    }
    for (std::size_t t = 0; t < a.tokens; ++t) {
      const std::uint32_t* const word = a.word + a.at(t, b) * a.slots * 2;
      vsum sums[vectors];
      for (std::size_t k0 = 0; k0 < vectors; k0 += some) {
        for (std::size_t k = k0; k < k0 + some; ++k) sums[k] = zero_sum();
        for (std::size_t f = 0; f < fours; ++f) {
          const vlevels x = load_levels(word + 2 * f);
          for (std::size_t k = k0; k < k0 + some; ++k)
            sums[k] = dot_add(four[f * vectors + k], x, sums[k]);
        }
      }
      finish_block(w, s, b, sums, at, a.scale[a.at(t, b)], a.sum[a.at(t, b)], y + t * stride);
    }
  }
}

template <int Bits, bool Affine>
inline void quantized_panel(const quantized_weight<Bits, Affine>& w, group_range units,
                            summation_parts parts, const quantized_activations& a, float* sums,
                            std::size_t stride) noexcept {
  constexpr std::size_t outputs = strip_outputs<Bits>;
  const std::size_t lines = w.block_stride / 64, step = (lines + a.slots - 1) / a.slots;
  for (std::size_t u = units.first; u < units.last; ++u) {
    const std::size_t s = u / parts.count, part = u % parts.count;
    float* const y = sums + part * stride + s * outputs;
    for (std::size_t o = 0; o < outputs; ++o) y[o] = 0.0f;
    const std::size_t last = (parts.end(part) + w.group - 1) / w.group;
    for (std::size_t b = (parts.begin(part) + w.group - 1) / w.group; b < last; ++b)
      add_block(w, s, b, a,
                stream_ahead{reinterpret_cast<const char*>(w.scales(s, b)) + stream_distance, step},
                y);
  }
}

template <int Bits, bool Affine>
inline void quantized_strips(const quantized_weight<Bits, Affine>& w, group_range strips,
                             summation_parts parts, const quantized_activations& a,
                             matrix_view<float> y, float* scratch) noexcept {
  constexpr std::size_t outputs = strip_outputs<Bits>;
  float* const part_sums = scratch;
  float* const total = scratch + a.tokens * outputs;
  for (std::size_t s = strips.first; s < strips.last; ++s) {
    for (std::size_t part = 0; part < parts.count; ++part) {
      float* const sums = part == 0 ? total : part_sums;
      for (std::size_t o = 0; o < a.tokens * outputs; ++o) sums[o] = 0.0f;
      const std::size_t first = (parts.begin(part) + w.group - 1) / w.group;
      const std::size_t last = (parts.end(part) + w.group - 1) / w.group;
      for (std::size_t b = first; b < last; ++b) {
        if (w.row_stride == strip_bytes) {  // a panel: one stream, as for one token
          const auto* const block = reinterpret_cast<const char*>(w.scales(s, b)) + stream_distance;
          for (std::size_t at = 0; at < w.block_stride; at += 64) prefetch_l2(block + at);
        }
        if (a.count[b] != 0) add_block_tokens(w, s, b, a, sums, outputs);
      }
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

template <int Bits, bool Affine>
inline void quantized_blocks(const quantized_weight<Bits, Affine>& w, group_range strips,
                             block_range blocks, std::size_t rounded_end,
                             const quantized_activations& a, float* sums,
                             std::size_t stride) noexcept {
  constexpr std::size_t outputs = strip_outputs<Bits>;
  for (std::size_t t = 0; t < a.tokens; ++t)
    for (std::size_t o = strips.first * outputs; o < strips.last * outputs; ++o)
      sums[t * stride + o] = 0.0f;
  for (std::size_t b = blocks.first; b < blocks.last; ++b) {
    const std::size_t next = b + 1;
    const std::size_t next_rows = next < rounded_end ? std::size_t{a.count[next]} * 4 : 0;
    const std::uint8_t* const next_channel = a.channel + next * a.slots * 4;
    for (std::size_t s = strips.first; s < strips.last; ++s) {
      // The same place of the next block's live rows and scales, all at once: a few with every four
      // channels, as a panel does, is 10 to 20 % slower here.
      if (next_rows != 0) {
        const std::uint8_t* const rows = w.rows(s, next);
        for (std::size_t i = 0; i < next_rows; ++i)
          prefetch_l2(rows + next_channel[i] * w.row_stride);
        for (std::size_t at = 0; at < outputs; at += 32) {
          prefetch_l2(w.scales(s, next) + at);
          if constexpr (Affine) prefetch_l2(w.minima(s, next) + at);
        }
      }
      if (a.count[b] == 0) continue;
      if (a.tokens == 1)
        add_block(w, s, b, a, stream_ahead{}, sums + s * outputs);
      else
        add_block_tokens(w, s, b, a, sums + s * outputs, stride);
    }
  }
}

template <int Bits, bool Affine>
constexpr quantized_table<Bits, Affine> quantized_kernels() noexcept {
  return {&round_activations, &quantized_panel<Bits, Affine>, &quantized_strips<Bits, Affine>,
          &quantized_blocks<Bits, Affine>};
}
