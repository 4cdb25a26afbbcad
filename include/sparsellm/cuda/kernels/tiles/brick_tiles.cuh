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
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"
#include "sparsellm/cuda/kernels/warp_sums.cuh"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <storage_scalar T>
struct brick_tiles {
  using weight = brick_weight<T>;
  using number = T;
  static constexpr channel_order order = channel_order::natural;
  static constexpr unsigned segments = 1, terms = 1, stages = 4;
  static constexpr unsigned blocks_of_many = 2;
  static constexpr bool scaled = false, affine = false;
  static constexpr unsigned units_at_once = 1;

  __device__ static unsigned output(unsigned unit, unsigned i) {
    const unsigned slot = 8 * i + threadIdx.x % 32 / 4;
    return unit * unit_outputs + (std::same_as<T, bfloat16> ? slot / 2 + slot % 2 * 16 : slot);
  }
  __device__ static float result(const weight&, unsigned, float sum) { return sum; }

  template <unsigned Units>
  class reader {
   public:
    SPARSELLM_HD static unsigned bytes(const weight&) {
      return Units * segment_channels * brick_bytes;
    }

    // A strip behind the last is the last again, and not stored.
    __device__ reader(const weight& w, unsigned first_unit, unsigned begin)
        : w_(w),
          channel_(begin * segment_channels + threadIdx.x / row),
          from_(w.brick(min(first_unit + threadIdx.x % row / brick_chunks,
                            static_cast<unsigned>(w.strips()) - 1),
                        channel_) +
                threadIdx.x % brick_chunks * 8) {}

    __device__ void copy(std::byte* to) {
      constexpr unsigned channels = tiled_threads / row;  // at once
      const unsigned c = threadIdx.x / row, chunk = threadIdx.x % row;
      const auto inputs = static_cast<unsigned>(w_.shape.inputs);
#pragma unroll
      for (unsigned k = 0; k < segment_channels / channels; ++k)
        copy_async_or_zero(to + ((c + k * channels) * row + (chunk ^ (c + k * channels) % 8)) * 16,
                           from_ + k * channels * w_.channel_stride,
                           channel_ + k * channels < inputs);
      channel_ += segment_channels;
      from_ += segment_channels * w_.channel_stride;
    }
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

   private:
    static constexpr unsigned brick_bytes = brick_outputs * 2, brick_chunks = brick_bytes / 16;
    static_assert(sizeof(T) == 2 && brick_outputs == unit_outputs);
    static constexpr unsigned row = Units * brick_chunks;  // chunks of a channel
    const weight& w_;
    unsigned channel_;  // of the next step, the thread's first
    const T* from_;
  };
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
