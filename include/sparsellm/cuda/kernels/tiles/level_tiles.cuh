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
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"
#include "sparsellm/cuda/kernels/warp_sums.cuh"
#include "sparsellm/cuda/kernels/words.cuh"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <int Bits, bool Affine>
struct level_tiles {
  using weight = quantized_weight<Bits, Affine>;
  using number = bfloat16;
  static constexpr channel_order order = channel_order::quads;
  static constexpr unsigned segments = 1, terms = 2, stages = 4;
  static constexpr unsigned blocks_of_many = 1;
  static constexpr bool scaled = true, affine = Affine;
  static constexpr unsigned units_at_once =
      static_cast<unsigned>(strip_outputs<Bits>) / unit_outputs;

  static constexpr unsigned unit_bytes = unit_outputs * Bits / 8;  // of a channel
  // Where in its strip the output of a fragment row i is.
  __device__ static unsigned in_strip(unsigned unit, unsigned i) {
    constexpr unsigned each = unit_bytes / 8;
    const unsigned byte = unit * unit_bytes + threadIdx.x % 32 / 4 * each + i % each;
    return static_cast<unsigned>(byte_of_output(byte)) + i / each * 64;
  }
  __device__ static unsigned output(unsigned unit, unsigned i) {
    return unit / units_at_once * static_cast<unsigned>(strip_outputs<Bits>) +
           in_strip(unit % units_at_once, i);
  }
  __device__ static float result(const weight&, unsigned, float sum) { return sum; }

  template <unsigned Units>
  class reader {
   public:
    SPARSELLM_HD static unsigned bytes(const weight&) {
      return scale_chunks * 16 + segment_channels * Units * unit_bytes;
    }

    // A strip behind the last is the last again, and not stored.
    __device__ reader(const weight& w, unsigned first_unit, unsigned begin) : w_(w) {
      static_assert(Units % units_at_once == 0);
      const auto strips = static_cast<unsigned>(w.strips());
      const auto block_channels = static_cast<unsigned>(w.block_channels);
      const auto strip_of = [&](unsigned unit) {
        return min((first_unit + unit) / units_at_once, strips - 1);
      };
      const unsigned c0 = begin * segment_channels, block = c0 / block_channels;
      const unsigned c = threadIdx.x / row, chunk = threadIdx.x % row;
      in_block_ = c0 - block * block_channels;
      levels_ = w.levels(strip_of(chunk * 16 / unit_bytes), block) +
                std::size_t{in_block_ + c} * w.channel_stride + chunk % 4 * 16;
      const unsigned i = threadIdx.x % (Units * 4);
      scales_ = (threadIdx.x < Units * 4 ? w.scales(strip_of(i / 4), block)
                                         : w.minima(strip_of(i / 4), block)) +
                i % (units_at_once * 4) * 8;
    }

    __device__ void copy(std::byte* to) {
      if (threadIdx.x < scale_chunks) copy_async(to + threadIdx.x * 16, scales_);
      constexpr unsigned channels = tiled_threads / row;  // at once
      const unsigned c = threadIdx.x / row, chunk = threadIdx.x % row;
      std::byte* const levels = to + scale_chunks * 16;
#pragma unroll
      for (unsigned k = 0; k * channels < segment_channels; ++k)
        if (channels <= segment_channels || c < segment_channels) {
          const unsigned at = c + k * channels;
          copy_async(levels + (at * row + (chunk ^ at % 4 * unit_chunks)) * 16,
                     levels_ + k * channels * w_.channel_stride);
        }
      in_block_ += segment_channels;
      levels_ += segment_channels * w_.channel_stride;
      if (in_block_ == w_.block_channels) {
        in_block_ = 0;
        levels_ += w_.block_stride - w_.block_channels * w_.channel_stride;
        scales_ += w_.block_stride / sizeof(half);
      }
    }
    __device__ void fragments(const std::byte* from, unsigned unit, unsigned,
                              unit_fragments& a) const {
      const unsigned group = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
      constexpr unsigned each = unit_bytes / 8;
      const unsigned byte = group * each;  // of the unit
      const std::byte* const mine = from + scale_chunks * 16 + q * Units * unit_bytes +
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

   private:
    static constexpr unsigned scale_chunks = Units * unit_outputs * 2 / 16 * (Affine ? 2 : 1);

    // The lane's bytes of a unit: four outputs, or two of the lower and two of the upper 64.
    __device__ static std::uint32_t read(const std::byte* at) {
      if constexpr (Bits == 8)
        return *reinterpret_cast<const std::uint32_t*>(at);
      else
        return *reinterpret_cast<const std::uint16_t*>(at);
    }
    static constexpr unsigned unit_chunks = unit_bytes / 16, row = Units * unit_chunks;

    const weight& w_;
    // The thread's, of the next step.
    unsigned in_block_;
    const std::uint8_t* levels_;
    const half* scales_;
  };
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
