// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels read of super-blocks: integer scales times their step, and levels whose upper bits
// stand apart. Included once per instruction set, before blocks.inl, which has the same functions
// for blocks whose scales are halfs.

// Products of a half and an integer of 8 bits are exact in float.
template <int Bits, bool Affine>
SPARSELLM_INLINE vfloat scales_at(const super_block_weight<Bits, Affine>& w, std::size_t s,
                                  std::size_t b, std::size_t o) noexcept {
  return mul(load_row(w.scale_steps(s, b) + o), load_row(w.scales(s, b) + o));
}
template <int Bits, bool Affine>
SPARSELLM_INLINE vfloat minima_at(const super_block_weight<Bits, Affine>& w, std::size_t s,
                                  std::size_t b, std::size_t o) noexcept {
  return mul(load_row(w.minimum_steps(s, b) + o), load_row(w.minima(s, b) + o));
}

// four [8] |= the upper bits of four channels, which are bytes of vectors that hold those of eight
// outputs in every byte, or of four.
template <int Bits, std::size_t... K>
SPARSELLM_INLINE void raise(const vbytes* high, vbytes* four, std::index_sequence<K...>) noexcept {
  constexpr int count = Bits - 4, mask = ((1 << count) - 1) << 4;
  constexpr std::size_t outputs = 8 / count;
  ((four[K] =
        with_high<4 - count* static_cast<int>(K % outputs), mask>(four[K], high[K / outputs])),
   ...);
}

template <int Bits, bool Affine, std::size_t... C>
SPARSELLM_INLINE void interleave_levels(const super_block_weight<Bits, Affine>& w, std::size_t s,
                                        std::size_t b, const std::uint8_t* c, std::size_t at,
                                        vbytes* four, std::index_sequence<C...>) noexcept {
  const std::uint8_t* const low = w.levels(s, b);
  interleave<4>((low + c[C] * w.channel_stride)..., 4 * at, four);
  if constexpr (Bits > 4) {
    const std::uint8_t* const plane = w.high_levels(s, b) + at;
    constexpr std::size_t planes = Bits - 4;
    vbytes high[planes];
    for (std::size_t i = 0; i < planes; ++i)
      high[i] = four_channels((plane + c[C] * w.high_stride + 16 * i)...);
    raise<Bits>(high, four, std::make_index_sequence<8>{});
  }
}
template <int Bits, bool Affine>
SPARSELLM_INLINE void interleave_channels(const super_block_weight<Bits, Affine>& w, std::size_t s,
                                          std::size_t b, const std::uint8_t* c, std::size_t at,
                                          vbytes* four) noexcept {
  interleave_levels(w, s, b, c, at, four, std::make_index_sequence<4 * fours_at_once>{});
}

// Upper bits of a few strips share a line, which the first of them prefetches; steps are prefetched
// before the first block of a super-block.
template <int Bits, bool Affine>
SPARSELLM_INLINE void prefetch_channels(const super_block_weight<Bits, Affine>& w, std::size_t s,
                                        std::size_t b, const std::uint8_t* channel,
                                        std::size_t count) noexcept {
  const std::uint8_t* const low = w.levels(s, b);
  for (std::size_t i = 0; i < count; ++i) prefetch_l2(low + channel[i] * w.channel_stride);
  if constexpr (Bits > 4) {
    if (s * high_bytes<Bits> % 64 == 0) {
      const std::uint8_t* const high = w.high_levels(s, b);
      for (std::size_t i = 0; i < count; ++i) prefetch_l2(high + channel[i] * w.high_stride);
    }
  }
  constexpr std::size_t outputs = strip_outputs<Bits>;
  for (std::size_t at = 0; at < (Affine ? 2 : 1) * outputs; at += 64)
    prefetch_l2(w.scales(s, b) + at);
  if (b % w.super_blocks == 0)
    for (std::size_t at = 0; at < (Affine ? 2 : 1) * outputs; at += 32)
      prefetch_l2(w.scale_steps(s, b) + at);
}
