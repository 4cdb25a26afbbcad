// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights of floats. Included once per instruction set, inside its namespace and target region.
// An output's kept values are expanded to the lanes of their channels, 32 at a time, and multiplied
// with x in place. The order of summation: lane l of every cell is added to sum l mod 32 by fused
// multiply-add, cells ascending; the 32 sums are added as a tree, neighbours first.

template <class T>
inline void arrange_lanes(const nm_weight<T>& w, const float* x, std::byte* out) noexcept {
  float* to = reinterpret_cast<float*>(out);
  for (std::size_t first = 0; first < w.shape.inputs; first += w.span, to += cell_lanes) {
    float lane[cell_lanes];
    const std::size_t left = w.shape.inputs - first;
    const std::size_t count = left < w.span ? left : w.span;
    for (std::size_t l = 0; l < cell_lanes; ++l) lane[l] = l < count ? x[first + l] : 0.0f;
    if constexpr (interleaved_lanes<T>) {
      for (std::size_t h = 0; h < cell_lanes; h += 32)
        for (std::size_t i = 0; i < 16; ++i) {
          to[h + i] = lane[h + 2 * i];
          to[h + 16 + i] = lane[h + 2 * i + 1];
        }
    } else {
      for (std::size_t l = 0; l < cell_lanes; ++l) to[l] = lane[l];
    }
  }
}

// Adds the 32 sums of an output.
template <class T, class V>
SPARSELLM_INLINE float add_lanes(const V* sums) noexcept {
  if constexpr (lanes == 16) {
    if constexpr (interleaved_lanes<T>)
      return add_tree(add(sums[0], sums[1]));
    else
      return add_tree(add_neighbours(sums[0], sums[1]));
  } else {
    float pair[32];
    for (std::size_t s = 0; s < 32 / lanes; ++s) store(pair + s * lanes, sums[s]);
    for (std::size_t i = 0; i < 16; ++i) pair[i] = pair[2 * i] + pair[2 * i + 1];
    for (std::size_t width = 8; width != 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) pair[i] += pair[i + width];
    return pair[0];
  }
}

// Outputs [first, first + Outputs) of a strip. Eight: the values of every 8 lanes, 0 when they
// differ.
template <std::size_t Outputs, std::size_t Tokens, std::size_t Eight, class T>
inline void nm_outputs(const nm_weight<T>& w, std::size_t strip, std::size_t first,
                       const std::byte* x, std::size_t x_stride, float* sums,
                       std::size_t stride) noexcept {
  constexpr std::size_t steps = 32 / lanes;
  // A constant for the patterns that matter: addresses are offsets then.
  const std::size_t values_per_output = Eight != 0 ? 8 * Eight : w.values_per_output;
  const std::size_t cell_bytes =
      nm_strip_outputs * (sizeof(std::uint64_t) + values_per_output * sizeof(T));
  const next_strip<Outputs> next(cell_bytes, w.cells(), first);
  vfloat sum[Outputs * Tokens * steps];
  unrolled<Outputs * Tokens * steps>([&](auto i) { sum[i] = zero(); });
  const float* from[Tokens];
  for (std::size_t t = 0; t < Tokens; ++t)
    from[t] = reinterpret_cast<const float*>(x + t * x_stride);
  const std::byte* cell = reinterpret_cast<const std::byte*>(w.masks(strip, 0));
  for (std::size_t b = 0; b < w.cells(); ++b, cell += cell_bytes) {
    const auto* masks = reinterpret_cast<const std::uint64_t*>(cell) + first;
    const T* values = reinterpret_cast<const T*>(cell + nm_strip_outputs * sizeof(std::uint64_t)) +
                      first * values_per_output;
    next.prefetch(cell);
    unrolled<2>([&](auto h) {
      vfloat xs[Tokens * steps];
      unrolled<Tokens * steps>([&](auto i) {
        xs[i] = load(from[i / steps] + b * cell_lanes + h * 32 + i % steps * lanes);
      });
      unrolled<Outputs>([&](auto o) {
        const T* v = values + o * values_per_output;
        if (h != 0)
          v += Eight != 0 ? 4 * Eight
                          : static_cast<std::size_t>(
                                __builtin_popcount(static_cast<std::uint32_t>(masks[o])));
        const auto bits = static_cast<std::uint32_t>(masks[o] >> (32 * h));
        vfloat e[steps];
        expand_lanes<Eight>(v, bits, e);
        unrolled<Tokens * steps>([&](auto i) {
          constexpr std::size_t at = o * Tokens * steps + i;
          sum[at] = mul_add(e[i % steps], xs[i], sum[at]);
        });
      });
    });
  }
  unrolled<Outputs * Tokens>([&](auto i) {
    vfloat of_output[steps];
    unrolled<steps>([&](auto s) { of_output[s] = sum[i * steps + s]; });
    sums[i % Tokens * stride + first + i / Tokens] = add_lanes<T>(of_output);
  });
}

template <std::size_t Outputs, std::size_t Tokens, class T>
inline void nm_strip(const nm_weight<T>& w, std::size_t strip, const std::byte* x,
                     std::size_t x_stride, float* sums, std::size_t stride) noexcept {
  for (std::size_t o = 0; o < nm_strip_outputs; o += Outputs)
    if (w.eight_values == 4)  // 2:4 and 4:8
      nm_outputs<Outputs, Tokens, 4>(w, strip, o, x, x_stride, sums, stride);
    else
      nm_outputs<Outputs, Tokens, 0>(w, strip, o, x, x_stride, sums, stride);
}

template <class T>
inline void nm_strips(const nm_weight<T>& w, index_range strips, const std::byte* x,
                      std::size_t x_stride, std::size_t tokens, float* sums,
                      std::size_t stride) noexcept {
  for (std::size_t s = strips.first; s < strips.last; ++s, sums += nm_strip_outputs) {
    std::size_t t = 0;
    for (; t + 4 <= tokens; t += 4)
      nm_strip<(nm_outputs_at_once > 4 ? nm_outputs_at_once / 4 : 1), 4>(
          w, s, x + t * x_stride, x_stride, sums + t * stride, stride);
    for (; t < tokens; ++t)
      nm_strip<nm_outputs_at_once, 1>(w, s, x + t * x_stride, x_stride, sums + t * stride, stride);
  }
}
