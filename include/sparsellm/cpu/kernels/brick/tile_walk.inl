// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How a large batch goes through a weight of bricks. Included once per instruction set, inside its
// namespace and target region. Part by part, some strips at a time and of those some channels at a
// time, each strip's bricks become a tile that stays in L1 and is multiplied with all tokens, while
// the next such block of bricks is prefetched to L2 in the order in which it stands in memory: then
// it hardly matters how far apart a strip's channels lie. A term is added in the same order as for
// one token.

// Strips by channels of one part.
struct brick_block {
  index_range strips, channels;
};

struct nothing_ahead {
  SPARSELLM_INLINE void operator()(std::size_t) const noexcept {}
};

// What is prefetched beside the multiplication of a block's tiles.
template <class T>
struct block_ahead {
  const T* first;
  std::size_t strips, inverse;  // 2^16 / strips, rounded up: exact for the few bricks of a block
  std::size_t strip_stride, channel_stride;
  std::size_t done;  // bricks

  SPARSELLM_INLINE block_ahead(const brick_weight<T>& w, const brick_block& next) noexcept
      : first(w.brick(next.strips.first, next.channels.first)),
        strips(next.strips.last - next.strips.first),
        inverse(65536 / strips + 1),
        strip_stride(w.strip_stride),
        channel_stride(w.channel_stride),
        done(0) {}
  // The k-th brick from `done` on.
  SPARSELLM_INLINE void operator()(std::size_t k) const noexcept {
    const std::size_t i = done + k, c = i * inverse >> 16;
    const auto* const brick =
        reinterpret_cast<const char*>(first + (i - c * strips) * strip_stride + c * channel_stride);
    for (std::size_t l = 0; l < brick_outputs * sizeof(T); l += 64) prefetch_l2(brick + l);
  }
};

// Adds sums [32] to, or stores them in, the outputs of strip g that exist.
SPARSELLM_INLINE void merge_outputs(const float* sums, bool first, std::size_t outputs,
                                    std::size_t g, float* y) noexcept {
  const std::size_t from = g * brick_outputs;
  const std::size_t count = outputs - from < brick_outputs ? outputs - from : brick_outputs;
  if (first)
    for (std::size_t o = 0; o < count; ++o) y[from + o] = sums[o];
  else
    for (std::size_t o = 0; o < count; ++o) y[from + o] += sums[o];
}

// Way: what a tile is made of and multiplied by.
//   element                        of a tile and of X
//   words(n)                       how many of them n channels of an output are
//   pack(x, channels, packed)      packed [groups][words][tokens of the group] = some channels of X
//   make(w, g, channels, tile)     tile [words][32] of strip g
//   add(tokens, tile, words, x, first, sums, ahead)  as add_to_tokens(), ahead(k) beside channel k
// scratch as gemm_scratch() says.
template <class Way, class T>
inline void walk_tiles(const brick_weight<T>& w, index_range strips, matrix_view<const float> x,
                       matrix_view<float> y, float* scratch) noexcept {
  using element = typename Way::element;
  constexpr std::size_t most = brick_tuning::tile_channels;
  const summation_parts parts = summation_of(w.shape.inputs);
  const token_groups groups(x.rows());
  // A panel's strips are streams; of a channel's run several strips are read at a time.
  const std::size_t at_once =
      w.strip_stride < w.channel_stride ? brick_tuning::tiled_strips<T> : std::size_t{1};
  const std::size_t rows = (strips.last - strips.first + at_once - 1) / at_once;
  const auto row = [&](std::size_t r) -> index_range {
    const std::size_t n = strips.last - strips.first;
    return {strips.first + n * r / rows, strips.first + n * (r + 1) / rows};
  };
  const std::size_t strip_sums = x.rows() * brick_outputs;
  float* const sums = scratch;  // [strips][tokens][32]
  auto* const tile = reinterpret_cast<element*>(sums + at_once * strip_sums);
  element* const packed = tile + most * brick_outputs;
  for (std::size_t p = 0; p < parts.count; ++p) {
    const index_range part{parts.begin(p), parts.end(p)};
    const std::size_t words = Way::words(part.last - part.first);
    Way::pack(x, part, packed);
    const auto block_of = [&](index_range some, std::size_t c) -> brick_block {
      return {some, {c, part.last - c < most ? part.last : c + most}};
    };
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = part.first; c < part.last; c += most) {
        const brick_block block = block_of(row(r), c);
        const brick_block next = block.channels.last != part.last
                                     ? block_of(block.strips, block.channels.last)
                                     : block_of(row(r + 1 < rows ? r + 1 : r), part.first);
        const std::size_t count = Way::words(block.channels.last - c);
        block_ahead<T> ahead(w, next);
        float* to = sums;
        for (std::size_t g = block.strips.first; g < block.strips.last; ++g, to += strip_sums) {
          Way::make(w, g, block.channels, tile);
          for (std::size_t t = 0; t < x.rows(); t += groups.most) {
            const std::size_t n = groups.from(t);
            const element* const some = packed + t * words + Way::words(c - part.first) * n;
            if (t == 0)
              Way::add(n, tile, count, some, c == part.first, to, ahead);
            else
              Way::add(n, tile, count, some, c == part.first, to + t * brick_outputs,
                       nothing_ahead{});
          }
          ahead.done += block.channels.last - c;
        }
      }
      const float* from = sums;
      for (std::size_t g = row(r).first; g < row(r).last; ++g)
        for (std::size_t t = 0; t < x.rows(); ++t, from += brick_outputs)
          merge_outputs(from, p == 0, w.shape.outputs, g, &y(t, 0));
    }
  }
}
