// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of channel_major and panel of half and bfloat16: a unit is a strip of bricks. Rows of
// channels are what ldmatrix transposes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/tiled.cuh"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <storage_scalar T>
class brick_tiles {
 public:
  using weight = brick_weight<T>;
  using number = T;
  static constexpr channel_order order = channel_order::natural;
  static constexpr unsigned segments = 1, terms = 1, stages = 4, blocks = 2;
  static constexpr bool scaled = false, affine = false;
  static constexpr unsigned units_at_once = 1;

  template <unsigned Units>
  SPARSELLM_HD static unsigned bytes(const weight&) {
    return Units * segment_channels * brick_bytes;
  }

  __device__ brick_tiles(const weight& w, unsigned first_unit, unsigned, unsigned)
      : w_(w), first_(first_unit) {}

  template <unsigned Units>
  __device__ void copy(std::byte* to, unsigned step) const {
    constexpr unsigned row = Units * brick_chunks;
    // Behind the last channel and strip the last is read again: times zero, and not stored.
    const auto channels = static_cast<unsigned>(w_.shape.inputs);
    const auto strips = static_cast<unsigned>(w_.strips());
#pragma unroll
    for (unsigned k = 0; k < row * segment_channels / tiled_threads; ++k) {
      const unsigned i = threadIdx.x + k * tiled_threads, c = i / row, chunk = i % row;
      const T* const brick = w_.brick(min(first_ + chunk / brick_chunks, strips - 1),
                                      min(step * segment_channels + c, channels - 1));
      copy_async(to + (c * row + (chunk ^ c % 8)) * 16, brick + chunk % brick_chunks * 8);
    }
  }
  template <unsigned Units>
  __device__ void fragments(const std::byte* from, unsigned unit, unsigned,
                            unit_fragments& a) const {
    const unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (unsigned m = 0; m < 2; ++m)
#pragma unroll
      for (unsigned s = 0; s < 2; ++s) {
        const unsigned c = 16 * s + lane / 16 * 8 + lane % 8;
        const unsigned chunk = unit * brick_chunks + 2 * m + lane / 8 % 2;
        load_transposed(
            a[m][s], shared_address(from) + (c * Units * brick_chunks + (chunk ^ lane % 8)) * 16);
      }
  }
  __device__ static unsigned output(unsigned unit, unsigned i) {
    const unsigned slot = 8 * i + threadIdx.x % 32 / 4;
    return unit * unit_outputs + (std::same_as<T, bfloat16> ? slot / 2 + slot % 2 * 16 : slot);
  }
  __device__ static float result(const weight&, unsigned, float sum) { return sum; }

 private:
  static constexpr unsigned brick_bytes = brick_outputs * 2, brick_chunks = brick_bytes / 16;
  static_assert(sizeof(T) == 2 && brick_outputs == unit_outputs);
  const weight& w_;
  unsigned first_;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
