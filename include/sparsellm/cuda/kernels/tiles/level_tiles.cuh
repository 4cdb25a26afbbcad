// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of quantised channel_major and panel: levels, which bfloat16 holds exactly, are multiplied,
// and each 32 channels' sums scaled in float. Activations have two terms, 16 bits, as many as the
// CPU's products of these formats give them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/level_pairs.cuh"
#include "sparsellm/cuda/kernels/tiled.cuh"
#include "sparsellm/cuda/kernels/words.cuh"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <int Bits, bool Affine>
class level_tiles {
 public:
  using weight = quantized_weight<Bits, Affine>;
  using number = bfloat16;
  static constexpr channel_order order = channel_order::quads;
  static constexpr unsigned segments = 1, terms = 2, stages = 4, blocks = 1;
  static constexpr bool scaled = true, affine = Affine;
  static constexpr unsigned units_at_once =
      static_cast<unsigned>(strip_outputs<Bits>) / unit_outputs;

  template <unsigned Units>
  SPARSELLM_HD static unsigned bytes(const weight&) {
    return scale_chunks<Units> * 16 + segment_channels * Units * unit_bytes;
  }

  __device__ level_tiles(const weight& w, unsigned first_unit, unsigned, unsigned)
      : w_(w), first_(first_unit / units_at_once) {}

  template <unsigned Units>
  __device__ void copy(std::byte* to, unsigned step) const {
    static_assert(Units % units_at_once == 0);
    const auto block_channels = static_cast<unsigned>(w_.block_channels);
    const auto strips = static_cast<unsigned>(w_.strips());
    const unsigned c0 = step * segment_channels, block = c0 / block_channels;
    // A strip behind the last is the last again, and not stored.
    const auto strip_of = [&](unsigned unit) {
      return min(first_ + unit / units_at_once, strips - 1);
    };
    if (threadIdx.x < scale_chunks<Units>) {
      const unsigned i = threadIdx.x % (Units * 4);
      const half* const from = threadIdx.x < Units * 4 ? w_.scales(strip_of(i / 4), block)
                                                       : w_.minima(strip_of(i / 4), block);
      copy_async(to + threadIdx.x * 16, from + i % (units_at_once * 4) * 8);
    }
    constexpr unsigned row = Units * unit_bytes / 16, chunks = row * segment_channels;
    std::byte* const levels = to + scale_chunks<Units> * 16;
    const std::size_t in_block = c0 - block * block_channels;
#pragma unroll
    for (unsigned k = 0; k < (chunks + tiled_threads - 1) / tiled_threads; ++k) {
      const unsigned i = threadIdx.x + k * tiled_threads, c = i / row, chunk = i % row;
      if (chunks % tiled_threads != 0 && i >= chunks) break;
      const std::uint8_t* const from = w_.levels(strip_of(chunk * 16 / unit_bytes), block) +
                                       (in_block + c) * w_.channel_stride + chunk % 4 * 16;
      copy_async(levels + (c * row + (chunk ^ c % 4 * (unit_bytes / 16))) * 16, from);
    }
  }
  template <unsigned Units>
  __device__ void fragments(const std::byte* from, unsigned unit, unsigned,
                            unit_fragments& a) const {
    const unsigned group = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
    constexpr unsigned unit_chunks = unit_bytes / 16, each = unit_bytes / 8;
    const unsigned byte = group * each;  // of the unit
    const std::byte* const mine = from + scale_chunks<Units> * 16 + q * Units * unit_bytes +
                                  ((unit * unit_chunks + byte / 16) ^ q * unit_chunks) * 16 +
                                  byte % 16;
#pragma unroll
    for (unsigned s = 0; s < 2; ++s)
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        const std::byte* const even = mine + (16 * s + 8 * h) * Units * unit_bytes;
        const std::byte* const odd = even + 4 * Units * unit_bytes;
        const std::uint32_t lower = read(even), upper = read(odd);
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) {
          // Byte i of each; of four bits, byte i % 2 and its nibble i / 2.
          const unsigned at = i % each;
          const std::uint32_t pair = __byte_perm(lower, upper, at | (4 + at) << 8);
          a[i / 2][s][2 * h + i % 2] =
              Bits == 8 ? bytes_to_pair(pair)
                        : nibbles_to_pair<zero_level<Bits, Affine>>(pair >> i / 2 * 4);
        }
      }
  }
  template <unsigned Units>
  __device__ void scales(const std::byte* from, unsigned unit, unit_scales& by) const {
    const auto* const first = reinterpret_cast<const half*>(from);
    unsigned at[4];
#pragma unroll
    for (unsigned i = 0; i < 4; ++i)
      at[i] = unit / units_at_once * static_cast<unsigned>(strip_outputs<Bits>) +
              in_strip(unit % units_at_once, i);
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) by.scale[i] = widen_half(first[at[i]].bits);
    if constexpr (Affine) {
      // Levels of 8 bits are multiplied less 128.
      constexpr float over = Bits == 8 ? 128.0f : 0.0f;
#pragma unroll
      for (unsigned i = 0; i < 4; ++i)
        by.minimum[i] = fmaf(over, by.scale[i], widen_half(first[Units * 32 + at[i]].bits));
    }
  }
  __device__ static unsigned output(unsigned unit, unsigned i) {
    return unit / units_at_once * static_cast<unsigned>(strip_outputs<Bits>) +
           in_strip(unit % units_at_once, i);
  }
  __device__ static float result(const weight&, unsigned, float sum) { return sum; }

 private:
  static constexpr unsigned unit_bytes = unit_outputs * Bits / 8;  // of a channel
  template <unsigned Units>
  static constexpr unsigned scale_chunks = Units * unit_outputs * 2 / 16 * (Affine ? 2 : 1);

  // The lane's bytes of a unit: four outputs, or two of the lower and two of the upper 64.
  __device__ static std::uint32_t read(const std::byte* at) {
    if constexpr (Bits == 8)
      return *reinterpret_cast<const std::uint32_t*>(at);
    else
      return *reinterpret_cast<const std::uint16_t*>(at);
  }
  __device__ static unsigned in_strip(unsigned unit, unsigned i) {
    constexpr unsigned each = unit_bytes / 8;
    const unsigned byte = unit * unit_bytes + threadIdx.x % 32 / 4 * each + i % each;
    return static_cast<unsigned>(byte_of_output(byte)) + i / each * 64;
  }
  const weight& w_;
  unsigned first_;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
