// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How levels are read, by every quantised weight: four channels (or eight, where a set says so)
// interleaved byte by byte, with the upper bits that five and six have apart, and non-linear ones
// made the levels of 8 bits that they stand for. Included once per instruction set, before
// super_blocks.inl and blocks.inl.

// What interleave_channels() takes off every level.
template <class W>
inline constexpr std::int32_t offset_of = level_offset<(W::non_linear ? 8 : W::bits)>;
// The level that means 0, before that.
template <class W>
inline constexpr std::int32_t zero_of = zero_level<(W::non_linear ? 8 : W::bits), W::affine>;

// four [8] |= the upper bits of four channels, which are bytes of vectors that hold those of eight
// outputs in every byte, or of four.
template <int Bits, std::size_t... K>
SPARSELLM_INLINE void raise(const vbytes* high, vbytes* four, std::index_sequence<K...>) noexcept {
  constexpr int count = Bits - 4, mask = ((1 << count) - 1) << 4;
  constexpr std::size_t outputs = 8 / count;
  ((four[K] =
        with_high<(4 - count * static_cast<int>(K % outputs)), mask>(four[K], high[K / outputs])),
   ...);
}

template <class W, std::size_t... C>
SPARSELLM_INLINE void interleave_levels(const W& w, std::size_t s, std::size_t b,
                                        const std::uint8_t* c, std::size_t at, vbytes* four,
                                        std::index_sequence<C...>) noexcept {
  const std::uint8_t* const low = w.levels(s, b);
  interleave<W::bits == 8 ? 8 : 4>((low + c[C] * w.channel_stride)..., 4 * at, four);
  if constexpr (high_bytes<W::bits> != 0) {
    const std::uint8_t* const plane = w.high_levels(s, b) + at;
    constexpr std::size_t planes = W::bits - 4;
    vbytes high[planes];
    for (std::size_t i = 0; i < planes; ++i)
      high[i] = four_channels((plane + c[C] * w.high_stride() + 16 * i)...);
    raise<W::bits>(high, four, std::make_index_sequence<8>{});
  }
  if constexpr (W::non_linear)
    for (std::size_t k = 0; k < 8; ++k) four[k] = look_up(non_linear_levels, four[k]);
}
// The levels of fours_at_once fours of a block's channels, outputs 16 k + at for each k.
template <class W>
SPARSELLM_INLINE void interleave_channels(const W& w, std::size_t s, std::size_t b,
                                          const std::uint8_t* c, std::size_t at,
                                          vbytes* four) noexcept {
  interleave_levels(w, s, b, c, at, four, std::make_index_sequence<4 * fours_at_once>{});
}

// A strip's levels of channel c of a block.
template <class W>
SPARSELLM_INLINE void prefetch_level(const W& w, std::size_t s, std::size_t b,
                                     std::size_t c) noexcept {
  prefetch_l2(w.levels(s, b) + c * w.channel_stride);
  if constexpr (high_bytes<W::bits> != 0) prefetch_l2(w.high_levels(s, b) + c * w.high_stride());
}

// A strip's levels of `count` channels of a block. Upper bits of a few strips share a line, which
// the first of them prefetches.
template <class W>
SPARSELLM_INLINE void prefetch_levels(const W& w, std::size_t s, std::size_t b,
                                      const std::uint8_t* channel, std::size_t count) noexcept {
  const std::uint8_t* const low = w.levels(s, b);
  for (std::size_t i = 0; i < count; ++i) prefetch_l2(low + channel[i] * w.channel_stride);
  if constexpr (high_bytes<W::bits> != 0) {
    if (s * high_bytes<W::bits> % 64 == 0) {
      const std::uint8_t* const high = w.high_levels(s, b);
      for (std::size_t i = 0; i < count; ++i) prefetch_l2(high + channel[i] * w.high_stride());
    }
  }
}
