// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A small batch on active channels of a bitmap. Included once per instruction set, inside its
// namespace and target region. A pass over some words adds several channels: their values of 32
// outputs are expanded to a tile that stays in L1 and multiplied with gemm_tokens tokens at a time,
// sums in registers. Terms are added in the order of one token's product.

// Channels of a pass: with fewer the traffic of the sums shows.
inline constexpr std::size_t bitmap_pass_channels = 16;

template <class T>
inline void bitmap_batch(const bitmap_weight<T>& w, index_range words, active_channels active,
                         const float* x, std::size_t tokens, std::byte*, float* sums,
                         std::size_t stride) noexcept {
  constexpr std::size_t steps = 32 / lanes;
  const token_groups groups(tokens);
  const std::size_t n = (words.last - words.first) * bitmap_outputs;
  if (active.count == 0)
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t o = 0; o < n; ++o) sums[t * stride + o] = 0.0f;
  for (std::size_t i = 0; i < active.count; i += bitmap_pass_channels) {
    const std::size_t left = active.count - i;
    const std::size_t count = left < bitmap_pass_channels ? left : bitmap_pass_channels;
    const std::uint32_t* const index = active.index + i;
    const T* v[bitmap_pass_channels];
    const std::uint64_t* mask[bitmap_pass_channels];
    for (std::size_t k = 0; k < count; ++k) {
      mask[k] = w.mask(index[k]);
      v[k] = values_at(w, index[k], words.first);
    }
    const channels_ahead<bitmap_pass_channels, T> far(w, index, count, left, words);
    float tile[bitmap_pass_channels * 32];
    float* to = sums;
    for (std::size_t word = words.first; word < words.last; ++word) {
      far.prefetch(word);
      for (std::size_t h = 0; h < 2; ++h, to += 32) {
        for (std::size_t k = 0; k < count; ++k) {
          const auto bits = static_cast<std::uint32_t>(mask[k][word] >> (32 * h));
          vfloat e[steps];
          expand_lanes<0>(v[k], bits, e);
          v[k] += __builtin_popcount(bits);
          for (std::size_t s = 0; s < steps; ++s) store(tile + k * 32 + s * lanes, e[s]);
        }
        for (std::size_t t = 0; t < tokens; t += groups.most)
          add_to_tokens(groups.from(t), tile_source{tile}, count, x + i * tokens + t, tokens,
                        i == 0, to + t * stride, stride);
      }
    }
  }
  for (std::size_t t = 0; t < tokens; ++t) order_outputs<T>(sums + t * stride, n);
}
