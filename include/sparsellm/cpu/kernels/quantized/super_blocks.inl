// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels read of super-blocks beside levels: integer scales times their step. Included once
// per instruction set, before blocks.inl, which has the same functions for blocks whose scales are
// halfs.

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

// Steps are prefetched before the first block of a super-block.
template <int Bits, bool Affine>
SPARSELLM_INLINE void prefetch_scales(const super_block_weight<Bits, Affine>& w, std::size_t s,
                                      std::size_t b) noexcept {
  constexpr std::size_t outputs = strip_outputs<Bits>;
  for (std::size_t at = 0; at < (Affine ? 2 : 1) * outputs; at += 64)
    prefetch_l2(w.scales(s, b) + at);
  if (b % w.super_blocks == 0)
    for (std::size_t at = 0; at < (Affine ? 2 : 1) * outputs; at += 32)
      prefetch_l2(w.scale_steps(s, b) + at);
}
