// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations rounded to 16 bits, a scale for each block and token. Included once per instruction
// set, before blocks.inl.

// Rounds some activations: level = x · inverse to the nearest, ties to even. Adding 1.5 · 2^23
// leaves the integer in the low bits; one fused operation, so that no instruction set rounds twice.
template <std::size_t Some>
SPARSELLM_INLINE void round_levels(const float* x, float inverse, std::int32_t* level) noexcept {
  constexpr float magic = 12582912.0f;
  float shifted[Some];
  for (std::size_t i = 0; i < Some; i += lanes)
    store(shifted + i, mul_add(load(x + i), broadcast(inverse), broadcast(magic)));
  for (std::size_t i = 0; i < Some; ++i)
    level[i] = __builtin_bit_cast(std::int32_t, shifted[i]) - 0x4b400000;
}

// The largest |x| of some, as bits: they compare as the numbers do, NaN largest.
template <std::size_t Some>
SPARSELLM_INLINE std::uint32_t largest_bits(const float* x) noexcept {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < Some; ++i) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x[i]) & 0x7fffffffu;
    most = bits > most ? bits : most;
  }
  return most;
}

// The levels, scale and sum of one token's block; loops of `Some`, a number that vectorises.
template <std::size_t Some>
inline void round_by(const float* x, std::size_t block_channels, std::int32_t* level, float& scale,
                     std::int32_t& sum) noexcept {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < block_channels; i += Some) {
    const std::uint32_t bits = largest_bits<Some>(x + i);
    most = bits > most ? bits : most;
  }
  sum = 0;
  if (most >= 0x7f800000u) {  // not finite: any active channel will do, the scale poisons the sum
    scale = __builtin_bit_cast(float, 0x7fc00000u);
    for (std::size_t i = 0; i < block_channels; ++i) level[i] = x[i] != 0.0f ? 1 : 0;
    return;
  }
  const float largest = __builtin_bit_cast(float, most);
  const bool tiny = largest < least_activation;
  scale = tiny ? 0.0f : largest / activation_levels;
  const float inverse = tiny ? 0.0f : activation_levels / largest;
  for (std::size_t i = 0; i < block_channels; i += Some) {
    round_levels<Some>(x + i, inverse, level + i);
    for (std::size_t k = 0; k < Some; ++k) sum += level[i + k];
  }
}

SPARSELLM_INLINE void round_block(const float* x, std::size_t block_channels, std::int32_t* level,
                                  float& scale, std::int32_t& sum) noexcept {
  if (block_channels == 16) return round_by<16>(x, 16, level, scale, sum);
  round_by<32>(x, block_channels, level, scale, sum);
}

// The same for the n channels that the last block may have.
SPARSELLM_INLINE void round_some(const float* x, std::size_t n, std::size_t block_channels,
                                 std::int32_t* level, float& scale, std::int32_t& sum) noexcept {
  if (n == block_channels) return round_block(x, block_channels, level, scale, sum);
  float padded[128];
  for (std::size_t i = 0; i < block_channels; ++i) padded[i] = i < n ? x[i] : 0.0f;
  round_block(padded, block_channels, level, scale, sum);
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

inline void round_activations(matrix_view<const float> x, std::size_t block_channels,
                              index_range blocks, bool every_channel,
                              const quantized_activations& a) noexcept {
  constexpr std::size_t tokens_at_once = quantized_tuning::tokens_at_once;
  alignas(64) std::int32_t level[tokens_at_once][128];
  // All levels would not fit: a block that has a dead channel is rounded a second time.
  const bool twice = x.rows() > tokens_at_once;
  for (std::size_t b = blocks.first; b < blocks.last; ++b) {
    const std::size_t c0 = b * block_channels;
    const std::size_t n = x.cols() - c0 < block_channels ? x.cols() - c0 : block_channels;
    std::uint8_t* const channel = a.channel + b * a.slots * 4;
    std::uint8_t active[128] = {};
    for (std::size_t t = 0; t < x.rows(); ++t) {
      std::int32_t* const mine = level[t % tokens_at_once];
      round_some(&x(t, c0), n, block_channels, mine, a.scale[a.at(t, b)], a.sum[a.at(t, b)]);
      if (every_channel || twice)
        list_levels(mine, channel, block_channels, true, block_channels / 4,
                    a.word + a.at(t, b) * a.slots * 2);
      if (!every_channel)
        for (std::size_t i = 0; i < block_channels; ++i)
          active[i] = static_cast<std::uint8_t>(active[i] | (mine[i] != 0 ? 1 : 0));
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < block_channels; ++i) {
      channel[count] = static_cast<std::uint8_t>(i);
      count += every_channel || active[i] != 0 ? 1 : 0;
    }
    constexpr std::size_t some = 4 * fours_at_once;
    const std::size_t fours = (count + some - 1) / some * fours_at_once;
    a.count[b] = static_cast<std::uint8_t>(fours);
    if (count == block_channels && (every_channel || twice)) continue;  // all are listed
    for (std::size_t i = count; i < fours * 4; ++i) channel[i] = channel[count - 1];
    for (std::size_t t = 0; t < x.rows(); ++t) {
      std::int32_t* const mine = level[t % tokens_at_once];
      if (twice) {
        float scale;
        std::int32_t sum;
        round_some(&x(t, c0), n, block_channels, mine, scale, sum);
      }
      list_levels(mine, channel, count, false, fours, a.word + a.at(t, b) * a.slots * 2);
    }
  }
}
