// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights of 8-bit levels. Included once per instruction set, inside its namespace and target
// region. Activations are rounded to 16 bits, a scale for every chunk of 512 lanes. Four
// neighbouring lanes make one of 16 integer sums, exact over a chunk; chunks are added in float,
// scale · sum by fused multiply-add, and the 16 sums as a tree. So every instruction set gives the
// same bits.

inline void arrange_levels(const nm_weight<std::int8_t>& w, const float* x,
                           std::byte* out) noexcept {
  for (std::size_t b = 0; b < w.cells(); b += nm_tuning::chunk_cells) {
    float lane[nm_tuning::chunk_cells * cell_lanes];
    std::int32_t level[nm_tuning::chunk_cells * cell_lanes];
    const std::size_t count =
        w.cells() - b < nm_tuning::chunk_cells ? w.cells() - b : nm_tuning::chunk_cells;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t first = (b + i) * w.span, left = w.shape.inputs - first;
      const std::size_t n = left < w.span ? left : w.span;
      for (std::size_t l = 0; l < cell_lanes; ++l)
        lane[i * cell_lanes + l] = l < n ? x[first + l] : 0.0f;
    }
    *reinterpret_cast<float*>(out) = round_chunk(lane, count * cell_lanes, level);
    out += 64;
    for (std::size_t i = 0; i < count; ++i, out += 256) put_levels(level + i * cell_lanes, out);
  }
}

template <std::size_t Outputs, std::size_t Eight>
inline void level_outputs(const nm_weight<std::int8_t>& w, std::size_t strip, std::size_t first,
                          const std::byte* x, float* sums) noexcept {
  const std::size_t values_per_output = Eight != 0 ? 8 * Eight : w.values_per_output;
  const std::size_t cell_bytes = nm_strip_outputs * (sizeof(std::uint64_t) + values_per_output);
  const next_strip<Outputs> next(cell_bytes, w.cells(), first);
  vfloat total[Outputs * level_vectors];
  unrolled<Outputs * level_vectors>([&](auto i) { total[i] = zero(); });
  const std::byte* cell = reinterpret_cast<const std::byte*>(w.masks(strip, 0));
  for (std::size_t b = 0; b < w.cells(); b += nm_tuning::chunk_cells) {
    const vfloat scale = broadcast(*reinterpret_cast<const float*>(x));
    x += 64;
    level_sum sum[Outputs];
    unrolled<Outputs>([&](auto o) { sum[o] = no_levels(); });
    level_bias bias = no_bias();
    const std::size_t left = w.cells() - b;
    for (std::size_t i = 0; i < (left < nm_tuning::chunk_cells ? left : nm_tuning::chunk_cells);
         ++i) {
      const auto* masks = reinterpret_cast<const std::uint64_t*>(cell) + first;
      const auto* values =
          reinterpret_cast<const std::int8_t*>(cell + nm_strip_outputs * sizeof(std::uint64_t)) +
          first * values_per_output;
      next.prefetch(cell);
      unrolled<Outputs>(
          [&](auto o) { add_levels<Eight>(values + o * values_per_output, masks[o], x, sum[o]); });
      add_bias(x, bias);
      cell += cell_bytes;
      x += 256;
    }
    unrolled<Outputs>([&](auto o) {
      vfloat whole[level_vectors];
      finish_levels(sum[o], bias, whole);
      unrolled<level_vectors>([&](auto v) {
        constexpr std::size_t at = o * level_vectors + v;
        total[at] = mul_add(whole[v], scale, total[at]);
      });
    });
  }
  for (std::size_t o = 0; o < Outputs; ++o) {
    float lane[16];
    put_in_order(total + o * level_vectors, lane);
    for (std::size_t width = 8; width != 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) lane[i] += lane[i + width];
    sums[first + o] = lane[0] * w.scales[strip * nm_strip_outputs + first + o];
  }
}

// T is std::int8_t: a template, so that nothing is compiled before it is used.
template <class T>
inline void level_strips(const nm_weight<T>& w, index_range strips, const std::byte* x,
                         std::size_t x_stride, std::size_t tokens, float* sums,
                         std::size_t stride) noexcept {
  for (std::size_t s = strips.first; s < strips.last; ++s, sums += nm_strip_outputs)
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t o = 0; o < nm_strip_outputs; o += level_outputs_at_once)
        if (w.eight_values == 4)  // 2:4 and 4:8
          level_outputs<level_outputs_at_once, 4>(w, s, o, x + t * x_stride, sums + t * stride);
        else
          level_outputs<level_outputs_at_once, 0>(w, s, o, x + t * x_stride, sums + t * stride);
}
