// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A small batch on active channels of levels, by byte expansion and vpdpbusd. Included after
// levels_vbmi2.inl. A pass over some words adds several channels: a word of theirs is expanded and
// interleaved once, and multiplied with some tokens at a time, sums in registers. Levels, scales
// and the order of the floats are those of one token's product.

inline constexpr std::size_t level_pass_fours = 4;  // fours of channels of a pass
inline constexpr std::size_t level_tokens = 2;      // 16 sums of 32 registers

// sums [Tokens][64] = (first ? 0 : sums) + fours of a word, as they are interleaved, against pairs
// [fours][Tokens][2], pairs_stride apart: high and low bytes of four activations each.
template <std::size_t Tokens>
inline void add_fours_to(const __m512i* word, std::size_t fours, const std::int32_t* pairs,
                         std::size_t pairs_stride, bool first, std::int32_t* sums,
                         std::size_t stride) noexcept {
  __m512i high[Tokens][4], low[Tokens][4];
  unrolled<Tokens>([&](auto t) {
    unrolled<4>([&](auto q) {
      high[t][q] = _mm512_setzero_si512();
      low[t][q] = first ? _mm512_setzero_si512() : _mm512_loadu_si512(sums + t * stride + 16 * q);
    });
  });
  for (std::size_t f = 0; f < fours; ++f, pairs += pairs_stride) {
    __m512i w[4];
    unrolled<4>([&](auto q) { w[q] = _mm512_load_si512(word + 4 * f + q); });
    unrolled<Tokens>([&](auto t) {
      const __m512i h = _mm512_set1_epi32(pairs[2 * t]), l = _mm512_set1_epi32(pairs[2 * t + 1]);
      unrolled<4>([&](auto q) {
        high[t][q] = _mm512_dpbusd_epi32(high[t][q], w[q], h);
        low[t][q] = _mm512_dpbusd_epi32(low[t][q], w[q], l);
      });
    });
  }
  unrolled<Tokens>([&](auto t) {
    unrolled<4>([&](auto q) {
      const __m512i high_part = _mm512_maskz_slli_epi32(every_lane, high[t][q], 8);
      _mm512_storeu_si512(sums + t * stride + 16 * q, _mm512_add_epi32(high_part, low[t][q]));
    });
  });
}

// As many tokens at once as there are, up to Tokens.
template <std::size_t Tokens = level_tokens>
inline void add_fours_to_tokens(std::size_t tokens, const __m512i* word, std::size_t fours,
                                const std::int32_t* pairs, std::size_t pairs_stride, bool first,
                                std::int32_t* sums, std::size_t stride) noexcept {
  if constexpr (Tokens > 1)
    if (tokens < Tokens)
      return add_fours_to_tokens<Tokens - 1>(tokens, word, fours, pairs, pairs_stride, first, sums,
                                             stride);
  add_fours_to<Tokens>(word, fours, pairs, pairs_stride, first, sums, stride);
}

// What the activations of a chunk of channels are multiplied as.
struct level_chunk {
  float scale[bitmap_tuning::expanding_batch];
  std::int32_t bias[bitmap_tuning::expanding_batch];
  // [fours of channels][tokens][2]
  std::int32_t pairs[bitmap_tuning::level_channels / 4 * bitmap_tuning::expanding_batch * 2];
};

// x [count][tokens]. What is missing to four channels has level 0.
inline void round_levels(const float* x, std::size_t count, std::size_t tokens,
                         level_chunk& chunk) noexcept {
  for (std::size_t t = 0; t < tokens; ++t) {
    float lane[bitmap_tuning::level_channels];
    std::int32_t level[bitmap_tuning::level_channels + 3] = {};
    for (std::size_t k = 0; k < count; ++k) lane[k] = x[k * tokens + t];
    chunk.scale[t] = round_chunk(lane, count, level);
    chunk.bias[t] = level_bias_of(level, count);
    for (std::size_t k = 0; k < count; k += 4)
      level_bytes(level + k, 4, chunk.pairs + (k / 4 * tokens + t) * 2);
  }
}

// sums [tokens][n], integers, = channels of a chunk, but for the bias.
template <class T>
inline void add_level_chunk(const bitmap_weight<T>& w, index_range words,
                            const std::uint32_t* index, std::size_t count, std::size_t ahead,
                            const level_chunk& chunk, std::size_t tokens, std::int32_t* sums,
                            std::size_t n) noexcept {
  constexpr std::size_t most = 4 * level_pass_fours;
  for (std::size_t i = 0; i < count; i += most) {
    const std::size_t channels = count - i < most ? count - i : most;
    const std::size_t fours = (channels + 3) / 4;
    level_four four[level_pass_fours];
    for (std::size_t k = 0; k < 4 * fours; ++k) {  // what is missing repeats the last channel
      const std::size_t c = index[i + (k < channels ? k : channels - 1)];
      four[k / 4].mask[k % 4] = w.mask(c);
      four[k / 4].v[k % 4] = values_at(w, c, words.first);
    }
    const channels_ahead<most, T> far(w, index + i, channels, ahead - i, words);
    alignas(64) __m512i tile[4 * level_pass_fours];
    const std::int32_t* const pairs = chunk.pairs + i / 4 * tokens * 2;
    std::int32_t* to = sums;
    for (std::size_t word = words.first; word < words.last; ++word, to += bitmap_outputs) {
      far.prefetch(word);
      for (std::size_t f = 0; f < fours; ++f) interleave_word(four[f], word, tile + 4 * f);
      for (std::size_t t = 0; t < tokens; t += level_tokens)
        add_fours_to_tokens(tokens - t, tile, fours, pairs + 2 * t, 2 * tokens, i == 0, to + t * n,
                            n);
    }
  }
}

// y [n] += scale · (sums - bias)
SPARSELLM_INLINE void add_scaled(const std::int32_t* sums, std::int32_t bias, float scale,
                                 std::size_t n, float* y) noexcept {
  const __m512i b = _mm512_set1_epi32(bias);
  const vfloat s = broadcast(scale);
  for (std::size_t o = 0; o < n; o += bitmap_outputs) {
    __m512i word[4];
    ordered_word(sums + o, word);
    for (std::size_t q = 0; q < 4; ++q) {
      const vfloat value = _mm512_maskz_cvtepi32_ps(every_lane, _mm512_sub_epi32(word[q], b));
      store(y + o + 16 * q, mul_add(value, s, load(y + o + 16 * q)));
    }
  }
}

template <class T>
inline void bitmap_levels_batch(const bitmap_weight<T>& w, index_range words,
                                active_channels active, const float* x, std::size_t tokens,
                                std::byte* scratch, float* sums, std::size_t stride) noexcept {
  const std::size_t n = (words.last - words.first) * bitmap_outputs;
  auto* const integers = reinterpret_cast<std::int32_t*>(scratch);
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t o = 0; o < n; ++o) sums[t * stride + o] = 0.0f;
  level_chunk chunk;
  for (std::size_t i = 0, count = 0; i < active.count; i += count) {
    count = level_chunk_length(active.index + i, active.count - i);
    round_levels(x + i * tokens, count, tokens, chunk);
    add_level_chunk(w, words, active.index + i, count, active.count - i, chunk, tokens, integers,
                    n);
    for (std::size_t t = 0; t < tokens; ++t)
      add_scaled(integers + t * n, chunk.bias[t], chunk.scale[t], n, sums + t * stride);
  }
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t o = 0; o < n; ++o)
      sums[t * stride + o] *= w.scales[words.first * bitmap_outputs + o];
}
