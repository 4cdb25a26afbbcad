// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Active channels of a channel bitmap. Included once per instruction set, inside its namespace and
// target region. As channel_gemv(), every pass over the outputs adds several channels, with y in
// cache; a channel's values are expanded to the lanes of its outputs. Terms are added in the order
// of multiply/summation.hpp.

template <std::size_t Channels, bool First, class T>
inline void add_bitmap_channels(const bitmap_weight<T>& w, index_range words,
                                const std::uint32_t* index, const float* value, std::size_t ahead,
                                float* y) noexcept {
  constexpr std::size_t steps = 32 / lanes;
  const T* v[Channels];
  const std::uint64_t* mask[Channels];
  vfloat x[Channels];
  for (std::size_t k = 0; k < Channels; ++k) {
    mask[k] = w.mask(index[k]);
    v[k] = values_at(w, index[k], words.first);
    x[k] = broadcast(value[k]);
  }
  const channels_ahead<Channels, T> far(w, index, Channels, ahead, words);
  for (std::size_t word = words.first; word < words.last; ++word) {
    far.prefetch(word);
    for (std::size_t h = 0; h < 2; ++h, y += 32) {
      vfloat sum[steps];
      for (std::size_t s = 0; s < steps; ++s) sum[s] = First ? zero() : load(y + s * lanes);
      for (std::size_t k = 0; k < Channels; ++k) {
        const auto bits = static_cast<std::uint32_t>(mask[k][word] >> (32 * h));
        vfloat e[steps];
        expand_lanes<0>(v[k], bits, e);
        v[k] += __builtin_popcount(bits);
        for (std::size_t s = 0; s < steps; ++s) sum[s] = mul_add(e[s], x[k], sum[s]);
      }
      for (std::size_t s = 0; s < steps; ++s) store(y + s * lanes, sum[s]);
    }
  }
}

template <bool First, class T>
SPARSELLM_INLINE std::size_t add_some_bitmap(const bitmap_weight<T>& w, index_range words,
                                             active_view<> a, std::size_t i, std::size_t ahead,
                                             float* y) noexcept {
  const std::size_t left = a.count - i;
  if (left >= bitmap_channels_at_once) {
    add_bitmap_channels<bitmap_channels_at_once, First>(w, words, a.index + i, a.value + i,
                                                        ahead - i, y);
    return bitmap_channels_at_once;
  }
  add_bitmap_channels<1, First>(w, words, a.index + i, a.value + i, ahead - i, y);
  return 1;
}

// Sums of even outputs of 32, then odd ones, in the outputs' order, where expand_lanes() leaves
// them so.
template <class T>
SPARSELLM_INLINE void order_outputs(float* sums, std::size_t n) noexcept {
  if constexpr (interleaved_lanes<T>)
    for (float* at = sums; at != sums + n; at += 32) {
      float lane[32];
      for (std::size_t l = 0; l < 16; ++l) {
        lane[2 * l] = at[l];
        lane[2 * l + 1] = at[16 + l];
      }
      for (std::size_t l = 0; l < 32; ++l) at[l] = lane[l];
    }
}

template <class T>
inline void bitmap_floats(const bitmap_weight<T>& w, index_range words, active_view<> active,
                          std::size_t ahead, std::byte*, float* y) noexcept {
  const std::size_t n = (words.last - words.first) * bitmap_outputs;
  if (active.count == 0) {
    for (std::size_t o = 0; o < n; ++o) y[o] = 0.0f;
    return;
  }
  std::size_t i = add_some_bitmap<true>(w, words, active, 0, ahead, y);
  while (i < active.count) i += add_some_bitmap<false>(w, words, active, i, ahead, y);
  order_outputs<T>(y, n);
}

// Of the first of `count` active channels, how many share a scale: those of the same
// bitmap_tuning::level_channels channels, whatever else is active, so that a token of a batch is
// rounded as it is alone.
SPARSELLM_INLINE std::size_t level_chunk_length(const std::uint32_t* index,
                                                std::size_t count) noexcept {
  constexpr std::size_t most = bitmap_tuning::level_channels;
  const std::size_t end = (index[0] / most + 1) * most;
  std::size_t first = 0, last = count < most ? count : most;  // index[first] < end
  if (index[last - 1] < end) return last;
  while (last - first > 1) {
    const std::size_t middle = (first + last) / 2;
    (index[middle] < end ? first : last) = middle;
  }
  return last;
}

// Levels: integer sums of the channels whose activations share a scale. T is std::int8_t.
template <class T>
inline void bitmap_levels(const bitmap_weight<T>& w, index_range words, active_view<> active,
                          std::size_t ahead, std::byte* scratch, float* y) noexcept {
  const std::size_t n = (words.last - words.first) * bitmap_outputs;
  auto* const level = reinterpret_cast<std::int32_t*>(scratch);
  auto* const sums = reinterpret_cast<std::int32_t*>(scratch + bitmap_tuning::level_channels *
                                                                   sizeof(std::int32_t));
  for (std::size_t o = 0; o < n; ++o) y[o] = 0.0f;
  for (std::size_t i = 0, count = 0; i < active.count; i += count) {
    count = level_chunk_length(active.index + i, active.count - i);
    const float scale = round_chunk(active.value + i, count, level);
    for (std::size_t o = 0; o < n; ++o) sums[o] = 0;
    std::int32_t bias = 0;
    add_level_channels(w, words, {active.index + i, active.value + i, count}, ahead - i, level,
                       sums, bias);
    for (std::size_t o = 0; o < n; ++o)
      y[o] = fused_multiply_add(static_cast<float>(sums[o] - bias), scale, y[o]);
  }
  for (std::size_t o = 0; o < n; ++o) y[o] *= w.scales[words.first * bitmap_outputs + o];
}
