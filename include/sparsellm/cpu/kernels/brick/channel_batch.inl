// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A small batch on active channels. Included once per instruction set, inside its namespace and
// target region. Bricks are widened once and multiplied with every token; terms are added in the
// order of one token's product.

template <std::size_t Channels, bool First, class T>
inline void add_channels_batch(const brick_weight<T>& w, index_range strips, active_channels active,
                               std::size_t i, matrix_view<const float> x, float* sums,
                               std::size_t stride) noexcept {
  const std::uint32_t* const index = active.index + i;
  const T* run[Channels];
  float value[brick_tuning::skipping_batch * Channels];  // [tokens][Channels]
  for (std::size_t k = 0; k < Channels; ++k) {
    run[k] = w.brick(strips.first, index[k]);
    for (std::size_t t = 0; t < x.rows(); ++t)
      value[t * Channels + k] = x(t, index[k] - active.first);
  }
  const std::size_t behind = active.ahead - i - Channels;
  next_runs<T> next(w, strips, index + Channels, behind < Channels ? behind : Channels, run[0]);
  const std::size_t end = (strips.last - strips.first) * w.strip_stride;
  for (std::size_t at = 0; at != end; at += w.strip_stride, sums += brick_outputs) {
    for (std::size_t s = 0; s < 16; s += lanes) {
      vfloat wl[Channels], wh[Channels];
      for (std::size_t k = 0; k < Channels; ++k) load_brick(run[k] + at, s, wl[k], wh[k]);
      for (std::size_t t = 0; t < x.rows(); ++t) {
        float* const y = sums + t * stride + s;
        vfloat low = First ? zero() : load(y);
        vfloat high = First ? zero() : load(y + 16);
        for (std::size_t k = 0; k < Channels; ++k) {
          const vfloat xk = broadcast(value[t * Channels + k]);
          low = mul_add(wl[k], xk, low);
          high = mul_add(wh[k], xk, high);
        }
        store(y, low);
        store(y + 16, high);
      }
    }
    next.template prefetch<Channels*(brick_outputs * sizeof(T) / 64)>();
  }
}

template <bool First, class T>
SPARSELLM_INLINE std::size_t add_some_batch(const brick_weight<T>& w, index_range strips,
                                            active_channels active, std::size_t i,
                                            matrix_view<const float> x, float* sums,
                                            std::size_t stride) noexcept {
  const std::size_t left = active.count - i;
  if (left >= batch_channels) {
    add_channels_batch<batch_channels, First>(w, strips, active, i, x, sums, stride);
    return batch_channels;
  }
  add_channels_batch<1, First>(w, strips, active, i, x, sums, stride);
  return 1;
}

template <class T>
inline void channel_batch(const brick_weight<T>& w, index_range strips, active_channels active,
                          matrix_view<const float> x, float* sums, std::size_t stride) noexcept {
  if (active.count == 0) {
    for (std::size_t t = 0; t < x.rows(); ++t)
      for (std::size_t o = 0; o < (strips.last - strips.first) * brick_outputs; ++o)
        sums[t * stride + o] = 0.0f;
    return;
  }
  std::size_t i = add_some_batch<true>(w, strips, active, 0, x, sums, stride);
  while (i < active.count) i += add_some_batch<false>(w, strips, active, i, x, sums, stride);
}
