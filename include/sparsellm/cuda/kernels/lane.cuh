// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What one lane of a warp reads of a channel: up to 16 neighbouring bytes, so that the 32 lanes of
// a warp read up to 512 that are contiguous, whole sectors all of them. A lane knows which outputs
// its bytes belong to and how to turn them into floats.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/words.cuh"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Bytes / 4 words of a channel.
template <int Bytes>
struct lane_words {
  std::uint32_t word[Bytes / 4];

  __device__ static lane_words load(const void* from) {
    lane_words read;
    load_words<Bytes / 4>(from, read.word);
    return read;
  }
};

// channel_major and panel of float, half or bfloat16. A lane is asked for rows by their distance
// from those of a first channel.
template <storage_scalar T>
struct brick_lane {
  using weight = brick_weight<T>;
  using words = lane_words<16>;
  static constexpr unsigned outputs = 16 / sizeof(T);
  static constexpr unsigned lanes_per_strip = brick_outputs / outputs;
  static constexpr bool scaled = false, affine = false;

  const std::byte* first;

  __device__ brick_lane(const weight& w, unsigned lane, unsigned channel)
      : first(reinterpret_cast<const std::byte*>(w.brick(lane / lanes_per_strip, channel) +
                                                 lane % lanes_per_strip * outputs)) {}

  SPARSELLM_HD static unsigned lanes(const weight& w) {
    return static_cast<unsigned>(w.strips()) * lanes_per_strip;
  }
  __device__ static unsigned output(unsigned lane, unsigned j) {
    const unsigned slot = lane % lanes_per_strip * outputs + j;
    const unsigned in_strip = std::same_as<T, bfloat16> ? slot / 2 + slot % 2 * 16 : slot;
    return lane / lanes_per_strip * static_cast<unsigned>(brick_outputs) + in_strip;
  }
  // Bytes from channel `begin` to c0 + i.
  __device__ static std::uint32_t row(const weight& w, unsigned begin, unsigned c0, unsigned i) {
    return (c0 + i - begin) * static_cast<std::uint32_t>(w.channel_stride * sizeof(T));
  }
  SPARSELLM_HD static std::size_t part_bytes(const weight& w, std::size_t channels) {
    return channels * w.channel_stride * sizeof(T);
  }
  [[nodiscard]] __device__ words load(std::uint32_t row) const { return words::load(first + row); }
  __device__ static void decode(const words& raw, float (&w)[outputs]) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const std::uint32_t word = raw.word[i];
      if constexpr (std::same_as<T, float>) {
        w[i] = __uint_as_float(word);
      } else if constexpr (std::same_as<T, bfloat16>) {
        w[2 * i] = __uint_as_float(word << 16);
        w[2 * i + 1] = __uint_as_float(word & 0xffff0000u);
      } else {
        w[2 * i] = widen_half(word & 0xffffu);
        w[2 * i + 1] = widen_half(word >> 16);
      }
    }
  }
};

// 8 or 4 bits, a scale (and a minimum) for each block of an output's channels. Blocks are of whole
// 32 channels.
template <int Bits, bool Affine, int Bytes>
struct quantized_lane {
  using weight = quantized_weight<Bits, Affine>;
  using words = lane_words<Bytes>;
  static constexpr unsigned outputs = Bytes * 8 / Bits;
  static constexpr unsigned lanes_per_strip = strip_bytes / Bytes;
  static constexpr bool scaled = true, affine = Affine;

  // The scales of a block, and the minima, as they are stored.
  struct scale_words {
    uint2 word[Affine ? 2 : 1][outputs / 4];
    __device__ void scales(float (&to)[outputs]) const { widen_all(word[0], to); }
    __device__ void minima(float (&to)[outputs]) const { widen_all(word[Affine ? 1 : 0], to); }

   private:
    __device__ static void widen_all(const uint2 (&from)[outputs / 4], float (&to)[outputs]) {
#pragma unroll
      for (unsigned i = 0; i < outputs; i += 4) {
        const uint2 v = from[i / 4];
        to[i] = widen_half(v.x & 0xffffu);
        to[i + 1] = widen_half(v.x >> 16);
        to[i + 2] = widen_half(v.y & 0xffffu);
        to[i + 3] = widen_half(v.y >> 16);
      }
    }
  };

  // Of the block that the first channel is in.
  const std::byte *first, *first_scales;

  __device__ quantized_lane(const weight& w, unsigned lane, unsigned channel) {
    const unsigned strip = lane / lanes_per_strip, byte = lane % lanes_per_strip * Bytes;
    const unsigned b = block(w, channel);
    first = reinterpret_cast<const std::byte*>(w.levels(strip, b) + byte);
    first_scales = reinterpret_cast<const std::byte*>(w.scales(strip, b) + byte_of_output(byte));
    // Kept, though it is used once a segment: ptxas would find it anew each time, division and all.
    asm volatile("" : "+l"(first_scales));
  }

  SPARSELLM_HD static unsigned lanes(const weight& w) {
    return static_cast<unsigned>(w.strips()) * lanes_per_strip;
  }
  // byte_of_output() is its own inverse.
  __device__ static unsigned output(unsigned lane, unsigned j) {
    const unsigned in_byte = lane % lanes_per_strip * Bytes + j % Bytes;
    return lane / lanes_per_strip * static_cast<unsigned>(strip_outputs<Bits>) +
           static_cast<unsigned>(byte_of_output(in_byte)) + (j < Bytes ? 0 : 64);
  }
  // Bytes from the block of channel `begin` to channel c0 + i, of which [c0, c0 + 32) are in one.
  __device__ static std::uint32_t row(const weight& w, unsigned begin, unsigned c0, unsigned i) {
    const unsigned b = block(w, c0);
    return (b - block(w, begin)) * static_cast<std::uint32_t>(w.block_stride) +
           (c0 - b * static_cast<unsigned>(w.block_channels) + i) *
               static_cast<std::uint32_t>(w.channel_stride);
  }
  SPARSELLM_HD static std::size_t part_bytes(const weight& w, std::size_t channels) {
    return (channels / w.block_channels + 2) * w.block_stride;
  }
  [[nodiscard]] __device__ words load(std::uint32_t row) const { return words::load(first + row); }
  // Levels, 0 for the level that means 0. A nibble is put where it is into the digits of 2^23, and
  // what it is too large by taken back with the 2^23.
  __device__ static void decode(const words& raw, float (&level)[outputs]) {
    constexpr auto zero = static_cast<float>(zero_level<Bits, Affine>);
#pragma unroll
    for (unsigned i = 0; i < Bytes; ++i) {
      const std::uint32_t word = raw.word[i / 4];
      if constexpr (Bits == 8) {
        level[i] =
            __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7440u | i % 4)) - (0x1p23f + zero);
      } else {
        level[i] = nibble_to_float(word, i % 4 * 8, zero);
        level[i + Bytes] = nibble_to_float(word, i % 4 * 8 + 4, zero);
      }
    }
  }
  // Bytes from the scales of channel `begin`'s block to those of channel c's.
  __device__ static std::uint32_t scale_row(const weight& w, unsigned begin, unsigned c) {
    return (block(w, c) - block(w, begin)) * static_cast<std::uint32_t>(w.block_stride);
  }
  [[nodiscard]] __device__ scale_words scale(const weight& w, std::uint32_t row) const {
    const std::byte* const from = first_scales + row;
    scale_words read;
#pragma unroll
    for (unsigned i = 0; i < outputs; i += 4) {
      // Four neighbouring bytes are four neighbouring outputs, and bytes of a lane have each digits
      // of their own in byte_of_output().
      constexpr auto size = static_cast<unsigned>(sizeof(half));
      const unsigned at =
          (static_cast<unsigned>(byte_of_output(i % Bytes)) + (i < Bytes ? 0 : 64)) * size;
      read.word[0][i / 4] = __ldg(reinterpret_cast<const uint2*>(from + at));
      if constexpr (Affine)
        read.word[1][i / 4] = __ldg(reinterpret_cast<const uint2*>(from + w.minimum_at + at));
    }
    return read;
  }

 private:
  __device__ static unsigned block(const weight& w, unsigned c) {
    return c / static_cast<unsigned>(w.block_channels);
  }
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
