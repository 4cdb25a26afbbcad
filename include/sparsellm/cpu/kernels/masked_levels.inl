// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights of 8-bit levels. Included once per instruction set, inside its namespace and target
// region. Activations are rounded to 16 bits, a scale for every chunk of 512 lanes. Four
// neighbouring lanes make one of 16 integer sums, exact over a chunk; chunks are added in float,
// scale · sum by fused multiply-add, and the 16 sums as a tree. So every instruction set gives the
// same bits.

// What comes next in the stream, asked for in L2: two pages ahead, as dense_gemv(). A strip that is
// passed more than once, `Rows` rows at a time, asks for the strip after it, a share a pass, so
// that memory is never idle.
template <std::size_t Rows>
class next_strip {
 public:
  SPARSELLM_INLINE next_strip(std::size_t block_bytes, std::size_t blocks,
                              std::size_t first_row) noexcept
      : from_((Rows == strip_rows ? 8192 : blocks * block_bytes) +
              block_bytes * first_row / strip_rows),
        bytes_(block_bytes * Rows / strip_rows) {}
  SPARSELLM_INLINE void prefetch(const std::byte* block) const noexcept {
    for (std::size_t line = 0; line < bytes_; line += 64) prefetch_l2(block + from_ + line);
  }

 private:
  std::size_t from_, bytes_;
};

// Levels of a chunk, and its scale: 0 when all are as good as 0, NaN when one is not finite.
SPARSELLM_INLINE float round_chunk(const float* lane, std::size_t n, std::int32_t* level) noexcept {
  float most = 0;
  bool finite = true;
  for (std::size_t l = 0; l < n; ++l) {
    const float magnitude = std::fabs(lane[l]);
    most = magnitude > most ? magnitude : most;
    finite = finite && magnitude < __builtin_inff();
  }
  const bool some = finite && most >= least_activation;
  const float inverse = some ? activation_levels / most : 0.0f;
  for (std::size_t l = 0; l < n; ++l)
    level[l] = some ? static_cast<std::int32_t>(std::nearbyint(lane[l] * inverse)) : 0;
  return !finite ? __builtin_nanf("") : some ? most / activation_levels : 0.0f;
}

inline void arrange_levels(const masked_weight<std::int8_t>& w, const float* x,
                           std::byte* out) noexcept {
  for (std::size_t b = 0; b < w.blocks(); b += chunk_blocks) {
    float lane[chunk_blocks * block_lanes];
    std::int32_t level[chunk_blocks * block_lanes];
    const std::size_t count = w.blocks() - b < chunk_blocks ? w.blocks() - b : chunk_blocks;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t first = (b + i) * w.span, left = w.shape.inputs - first;
      const std::size_t n = left < w.span ? left : w.span;
      for (std::size_t l = 0; l < block_lanes; ++l)
        lane[i * block_lanes + l] = l < n ? x[first + l] : 0.0f;
    }
    *reinterpret_cast<float*>(out) = round_chunk(lane, count * block_lanes, level);
    out += 64;
    for (std::size_t i = 0; i < count; ++i, out += 256) put_levels(level + i * block_lanes, out);
  }
}

// body(i) for constants i in [0, Count). An array of sums that loops index stays in memory when the
// compiler unrolls them too late: g++ 12 then stores every sum of every block.
template <class Body, std::size_t... I>
SPARSELLM_INLINE void unrolled(const Body& body, std::index_sequence<I...>) noexcept {
  (body(std::integral_constant<std::size_t, I>{}), ...);
}
template <std::size_t Count, class Body>
SPARSELLM_INLINE void unrolled(const Body& body) noexcept {
  unrolled(body, std::make_index_sequence<Count>{});
}

template <std::size_t Rows, std::size_t Eight>
inline void level_rows_of(const masked_weight<std::int8_t>& w, std::size_t strip, std::size_t first,
                          const std::byte* x, float* sums) noexcept {
  const std::size_t row_values = Eight != 0 ? 8 * Eight : w.row_values;
  const std::size_t block_bytes = strip_rows * (sizeof(std::uint64_t) + row_values);
  const next_strip<Rows> next(block_bytes, w.blocks(), first);
  vfloat total[Rows * level_vectors];
  unrolled<Rows * level_vectors>([&](auto i) { total[i] = zero(); });
  const std::byte* block = reinterpret_cast<const std::byte*>(w.masks(strip, 0));
  for (std::size_t b = 0; b < w.blocks(); b += chunk_blocks) {
    const vfloat scale = broadcast(*reinterpret_cast<const float*>(x));
    x += 64;
    level_sum sum[Rows];
    unrolled<Rows>([&](auto r) { sum[r] = no_levels(); });
    level_bias bias = no_bias();
    const std::size_t left = w.blocks() - b;
    for (std::size_t i = 0; i < (left < chunk_blocks ? left : chunk_blocks); ++i) {
      const auto* masks = reinterpret_cast<const std::uint64_t*>(block) + first;
      const auto* values =
          reinterpret_cast<const std::int8_t*>(block + strip_rows * sizeof(std::uint64_t)) +
          first * row_values;
      next.prefetch(block);
      unrolled<Rows>(
          [&](auto r) { add_levels<Eight>(values + r * row_values, masks[r], x, sum[r]); });
      add_bias(x, bias);
      block += block_bytes;
      x += 256;
    }
    unrolled<Rows>([&](auto r) {
      vfloat whole[level_vectors];
      finish_levels(sum[r], bias, whole);
      unrolled<level_vectors>([&](auto v) {
        constexpr std::size_t at = r * level_vectors + v;
        total[at] = mul_add(whole[v], scale, total[at]);
      });
    });
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    float lane[16];
    put_in_order(total + r * level_vectors, lane);
    for (std::size_t width = 8; width != 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) lane[i] += lane[i + width];
    sums[first + r] = lane[0] * w.scales[strip * strip_rows + first + r];
  }
}

inline void level_strips(const masked_weight<std::int8_t>& w, group_range strips,
                         const std::byte* x, std::size_t x_stride, std::size_t tokens, float* sums,
                         std::size_t stride) noexcept {
  for (std::size_t s = strips.first; s < strips.last; ++s, sums += strip_rows)
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t r = 0; r < strip_rows; r += level_rows_at_once)
        if (w.eight_values == 4)  // 2:4 and 4:8
          level_rows_of<level_rows_at_once, 4>(w, s, r, x + t * x_stride, sums + t * stride);
        else
          level_rows_of<level_rows_at_once, 0>(w, s, r, x + t * x_stride, sums + t * stride);
}
