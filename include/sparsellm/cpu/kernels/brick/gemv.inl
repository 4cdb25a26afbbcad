// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One token. Included once per instruction set, inside its namespace and target region. Both
// kernels follow the order of multiply/summation.hpp.

// Copies the outputs of a strip that exist.
SPARSELLM_INLINE void store_outputs(const float* strip, std::size_t outputs, std::size_t g,
                                    float* y) noexcept {
  const std::size_t first = g * brick_outputs;
  const std::size_t count = outputs - first < brick_outputs ? outputs - first : brick_outputs;
  for (std::size_t o = 0; o < count; ++o) y[first + o] = strip[o];
}

// `Strips` neighbouring strips, every channel, sums in registers.
template <std::size_t Strips, class T>
inline void dense_strips(const brick_weight<T>& w, std::size_t g0, const float* x,
                         float* y) noexcept {
  constexpr std::size_t steps = 16 / lanes;
  const summation_parts parts = summation_of(w.shape.inputs);
  // Two pages ahead in the stream: past the boundary where hardware prefetchers stop.
  constexpr std::size_t ahead = 8192 / (brick_outputs * sizeof(T));
  float total[Strips * brick_outputs];
  for (std::size_t part = 0; part < parts.count; ++part) {
    vfloat low[Strips][steps], high[Strips][steps];
    for (std::size_t g = 0; g < Strips; ++g)
      for (std::size_t s = 0; s < steps; ++s) low[g][s] = high[g][s] = zero();
    for (std::size_t c = parts.begin(part); c < parts.end(part); ++c) {
      const vfloat xc = broadcast(x[c]);
      for (std::size_t g = 0; g < Strips; ++g) {
        const T* const brick = w.brick(g0 + g, c);
        prefetch_l2(w.brick(g0 + g, c + ahead));
        for (std::size_t s = 0; s < steps; ++s) {
          vfloat wl, wh;
          load_brick(brick, s * lanes, wl, wh);
          low[g][s] = mul_add(wl, xc, low[g][s]);
          high[g][s] = mul_add(wh, xc, high[g][s]);
        }
      }
    }
    for (std::size_t g = 0; g < Strips; ++g)
      for (std::size_t s = 0; s < steps; ++s) {
        float* const a = total + g * brick_outputs + s * lanes;
        store(a, part == 0 ? low[g][s] : add(load(a), low[g][s]));
        store(a + 16, part == 0 ? high[g][s] : add(load(a + 16), high[g][s]));
      }
  }
  for (std::size_t g = 0; g < Strips; ++g)
    store_outputs(total + g * brick_outputs, w.shape.outputs, g0 + g, y);
}

template <class T>
inline void dense_gemv(const brick_weight<T>& w, index_range strips, const float* x,
                       float* y) noexcept {
  std::size_t g = strips.first;
  for (; g + gemv_strips <= strips.last; g += gemv_strips) dense_strips<gemv_strips>(w, g, x, y);
  for (; g < strips.last; ++g) dense_strips<1>(w, g, x, y);
}

// Adds `Channels` channels to y in one pass; with 8 in each pass the traffic of y hardly counts.
template <std::size_t Channels, bool First, class T>
inline void add_channels(const brick_weight<T>& w, index_range strips, const std::uint32_t* index,
                         const float* value, std::size_t ahead, float* y) noexcept {
  vfloat x[Channels];
  for (std::size_t k = 0; k < Channels; ++k) x[k] = broadcast(value[k]);
  const channel_runs<Channels, T> runs(w, strips, index, Channels, [&](std::size_t k) {
    return k + Channels < ahead ? index[k + Channels] : w.shape.inputs;
  });
  for (std::size_t at = 0; at != runs.end; at += w.strip_stride, y += brick_outputs) {
    const auto far = runs.ahead_of(at);
    for (std::size_t s = 0; s < 16; s += lanes) {
      vfloat low = First ? zero() : load(y + s);
      vfloat high = First ? zero() : load(y + 16 + s);
      for (std::size_t k = 0; k < Channels; ++k) {
        if (s == 0) far.prefetch(k);
        vfloat wl, wh;
        load_brick(runs.run[k] + at, s, wl, wh);
        low = mul_add(wl, x[k], low);
        high = mul_add(wh, x[k], high);
      }
      store(y + s, low);
      store(y + 16 + s, high);
    }
  }
}

template <bool First, class T>
SPARSELLM_INLINE std::size_t add_some(const brick_weight<T>& w, index_range strips,
                                      const active_view<>& a, std::size_t i, std::size_t ahead,
                                      float* y) noexcept {
  const std::size_t left = a.count - i;
  const std::size_t n = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
  if (n == 8)
    add_channels<8, First>(w, strips, a.index + i, a.value + i, ahead - i, y);
  else if (n == 4)
    add_channels<4, First>(w, strips, a.index + i, a.value + i, ahead - i, y);
  else if (n == 2)
    add_channels<2, First>(w, strips, a.index + i, a.value + i, ahead - i, y);
  else
    add_channels<1, First>(w, strips, a.index + i, a.value + i, ahead - i, y);
  return n;
}

template <class T>
inline void channel_gemv(const brick_weight<T>& w, index_range strips, active_view<> active,
                         std::size_t ahead, float* y) noexcept {
  if (active.count == 0) {
    for (std::size_t o = 0; o < (strips.last - strips.first) * brick_outputs; ++o) y[o] = 0.0f;
    return;
  }
  std::size_t i = add_some<true>(w, strips, active, 0, ahead, y);
  while (i < active.count) i += add_some<false>(w, strips, active, i, ahead, y);
}
