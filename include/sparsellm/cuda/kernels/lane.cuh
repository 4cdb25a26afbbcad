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

// channel_major and panel of float, half or bfloat16.
template <storage_scalar T>
struct brick_lane {
  using weight = brick_weight<T>;
  using words = lane_words<16>;
  static constexpr unsigned outputs = 16 / sizeof(T);
  static constexpr unsigned lanes_per_strip = brick_outputs / outputs;
  static constexpr bool scaled = false;

  const T* first;  // of channel 0; null behind the last output
  std::size_t stride;

  __device__ brick_lane(const weight& w, unsigned lane)
      : first(lane < lanes(w)
                  ? w.brick(lane / lanes_per_strip, 0) + lane % lanes_per_strip * outputs
                  : nullptr),
        stride(w.channel_stride) {}

  SPARSELLM_HD static unsigned lanes(const weight& w) {
    return static_cast<unsigned>(w.strips()) * lanes_per_strip;
  }
  __device__ static unsigned output(unsigned lane, unsigned j) {
    const unsigned slot = lane % lanes_per_strip * outputs + j;
    const unsigned in_strip = std::same_as<T, bfloat16> ? slot / 2 + slot % 2 * 16 : slot;
    return lane / lanes_per_strip * static_cast<unsigned>(brick_outputs) + in_strip;
  }
  [[nodiscard]] __device__ words load(std::size_t c) const {
    return words::load(first + c * stride);
  }
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

// 8 or 4 bits, a scale (and a minimum) for each block of an output's channels.
template <int Bits, bool Affine, int Bytes>
struct quantized_lane {
  using weight = quantized_weight<Bits, Affine>;
  using words = lane_words<Bytes>;
  static constexpr unsigned outputs = Bytes * 8 / Bits;
  static constexpr unsigned lanes_per_strip = strip_bytes / Bytes;
  static constexpr bool scaled = true, affine = Affine;

  const weight& w;
  unsigned strip, byte;
  const std::uint8_t* first;  // of block 0; null behind the last output

  __device__ quantized_lane(const weight& weight_, unsigned lane)
      : w(weight_),
        strip(lane / lanes_per_strip),
        byte(lane % lanes_per_strip * Bytes),
        first(lane < lanes(weight_) ? weight_.levels(strip, 0) + byte : nullptr) {}

  SPARSELLM_HD static unsigned lanes(const weight& w) {
    return static_cast<unsigned>(w.strips()) * lanes_per_strip;
  }
  // byte_of_output() is its own inverse.
  __device__ static unsigned output(unsigned lane, unsigned j) {
    const unsigned in_byte = lane % lanes_per_strip * Bytes + j % Bytes;
    return lane / lanes_per_strip * static_cast<unsigned>(strip_outputs<Bits>) +
           static_cast<unsigned>(byte_of_output(in_byte)) + (j < Bytes ? 0 : 64);
  }
  [[nodiscard]] __device__ words load(std::size_t c) const {
    return words::load(first + c / w.block_channels * w.block_stride +
                       c % w.block_channels * w.channel_stride);
  }
  // Levels, 0 for the level that means 0.
  __device__ static void decode(const words& raw, float (&level)[outputs]) {
    constexpr auto zero = static_cast<float>(zero_level<Bits, Affine>);
#pragma unroll
    for (unsigned i = 0; i < Bytes; ++i) {
      const std::uint32_t word = raw.word[i / 4];
      if constexpr (Bits == 8) {
        level[i] = byte_to_float(word, i % 4) - zero;
      } else {
        level[i] = byte_to_float(word & 0x0f0f0f0fu, i % 4) - zero;
        level[i + Bytes] = byte_to_float(word >> 4 & 0x0f0f0f0fu, i % 4) - zero;
      }
    }
  }
  // Of channel c's block.
  __device__ void scales(std::size_t c, float (&scale)[outputs]) const {
    read(w.scales(strip, c / w.block_channels), scale);
  }
  __device__ void minima(std::size_t c, float (&minimum)[outputs]) const {
    read(w.minima(strip, c / w.block_channels), minimum);
  }

 private:
  // Four neighbouring bytes are four neighbouring outputs.
  __device__ void read(const half* from, float (&to)[outputs]) const {
#pragma unroll
    for (unsigned i = 0; i < outputs; i += 4) {
      const std::size_t o = byte_of_output(byte + i % Bytes) + (i < Bytes ? 0 : 64);
      const uint2 v = *reinterpret_cast<const uint2*>(from + o);
      to[i] = widen_half(v.x & 0xffffu);
      to[i + 1] = widen_half(v.x >> 16);
      to[i + 2] = widen_half(v.y & 0xffffu);
      to[i + 3] = widen_half(v.y >> 16);
    }
  }
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
