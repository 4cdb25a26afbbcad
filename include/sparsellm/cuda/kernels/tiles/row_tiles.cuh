// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of row_major of half and bfloat16: rows of outputs, as ldmatrix reads them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"
#include "sparsellm/cuda/kernels/warp_sums.cuh"
#include "sparsellm/pack/row_major.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <storage_scalar T>
struct row_tiles {
  // whole: rows begin at whole 16 bytes.
  struct weight {
    row_weight<T> rows;
    bool whole;
  };
  using number = T;
  static constexpr channel_order order = channel_order::natural;
  static constexpr unsigned segments = 1, terms = 1, stages = 4;
  static constexpr unsigned blocks_of_many = 1;
  static constexpr bool scaled = false, affine = false;
  static constexpr unsigned units_at_once = 1;

  __device__ static unsigned output(unsigned unit, unsigned i) {
    return unit * unit_outputs + 8 * i + threadIdx.x % 32 / 4;
  }
  __device__ static float result(const weight&, unsigned, float sum) { return sum; }

  template <unsigned Units>
  class reader {
   public:
    SPARSELLM_HD static unsigned bytes(const weight&) {
      return Units * unit_outputs * segment_channels * 2;
    }

    __device__ reader(const weight& w, unsigned first_unit, unsigned begin)
        : w_(w),
          row_(first_unit * unit_outputs + threadIdx.x / segment_chunks),
          channel_(begin * segment_channels + threadIdx.x % segment_chunks * 8),
          from_(w.rows.data + std::size_t{row_} * w.rows.shape.inputs + channel_) {}

    __device__ void copy(std::byte* to) {
      constexpr unsigned rows = tiled_threads / segment_chunks;  // at once
      const unsigned row = threadIdx.x / segment_chunks, j = threadIdx.x % segment_chunks;
      const auto outputs = static_cast<unsigned>(w_.rows.shape.outputs);
      const auto inputs = static_cast<unsigned>(w_.rows.shape.inputs);
      const unsigned channels = channel_ < inputs ? inputs - channel_ : 0;
#pragma unroll
      for (unsigned k = 0; k < Units * unit_outputs / rows; ++k) {
        // rows is a multiple of 8: all of the thread's have their chunks in one order.
        std::byte* const place = to + ((row + k * rows) * segment_chunks + (j ^ row / 2 % 4)) * 16;
        const T* const from = from_ + k * rows * w_.rows.shape.inputs;
        const unsigned there = row_ + k * rows < outputs ? channels : 0;
        if (w_.whole)
          copy_async_or_zero(place, from, there != 0);
        else
          copy_values(place, from, there);
      }
      channel_ += segment_channels;
      from_ += segment_channels;
    }
    __device__ void fragments(const std::byte* from, unsigned unit, unsigned,
                              unit_fragments& a) const {
      const unsigned lane = threadIdx.x % 32;
#pragma unroll
      for (unsigned m = 0; m < 2; ++m)
#pragma unroll
        for (unsigned s = 0; s < 2; ++s) {
          const unsigned row = unit * unit_outputs + 16 * m + lane % 16;
          const unsigned chunk = 2 * s + lane / 16;
          load_matrices(a[m][s],
                        shared_address(from) + (row * segment_chunks + (chunk ^ row / 2 % 4)) * 16);
        }
    }

   private:
    static_assert(sizeof(T) == 2);
    // 8 values, zeros behind the first `there`.
    __device__ static void copy_values(std::byte* to, const T* from, unsigned there) {
      auto* const place = reinterpret_cast<T*>(to);
#pragma unroll 1
      for (unsigned k = 0; k < 8; ++k) place[k] = k < there ? from[k] : T{};
    }
    const weight& w_;
    unsigned row_, channel_;  // the thread's first; of the next step
    const T* from_;
  };
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
