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
#include "sparsellm/cuda/kernels/tiled.cuh"
#include "sparsellm/pack/row_major.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <storage_scalar T>
class row_tiles {
 public:
  // whole: rows begin at whole 16 bytes.
  struct weight {
    row_weight<T> rows;
    bool whole;
  };
  using number = T;
  static constexpr channel_order order = channel_order::natural;
  static constexpr unsigned segments = 1, terms = 1, stages = 4, blocks = 2;
  static constexpr bool scaled = false, affine = false;
  static constexpr unsigned units_at_once = 1;

  template <unsigned Units>
  SPARSELLM_HD static unsigned bytes(const weight&) {
    return Units * unit_outputs * segment_channels * 2;
  }

  __device__ row_tiles(const weight& w, unsigned first_unit, unsigned, unsigned)
      : w_(w), first_(first_unit * unit_outputs) {}

  template <unsigned Units>
  __device__ void copy(std::byte* to, unsigned step) const {
    const auto outputs = static_cast<unsigned>(w_.rows.shape.outputs);
    const auto inputs = static_cast<unsigned>(w_.rows.shape.inputs);
#pragma unroll
    for (unsigned k = 0; k < Units * unit_outputs * segment_chunks / tiled_threads; ++k) {
      const unsigned i = threadIdx.x + k * tiled_threads;
      const unsigned row = i / segment_chunks, j = i % segment_chunks;
      const unsigned c = step * segment_channels + 8 * j;
      // Behind the last output the last is read again, and not stored.
      const T* const from = w_.rows.data + std::size_t{min(first_ + row, outputs - 1)} * inputs + c;
      std::byte* const place = to + (row * segment_chunks + (j ^ row / 2 % 4)) * 16;
      if (w_.whole)
        copy_async_or_zero(place, c < inputs ? from : w_.rows.data, c < inputs);
      else
        copy_values(place, from, c < inputs ? inputs - c : 0);
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
        const unsigned row = unit * unit_outputs + 16 * m + lane % 16;
        const unsigned chunk = 2 * s + lane / 16;
        load_matrices(a[m][s],
                      shared_address(from) + (row * segment_chunks + (chunk ^ row / 2 % 4)) * 16);
      }
  }
  __device__ static unsigned output(unsigned unit, unsigned i) {
    return unit * unit_outputs + 8 * i + threadIdx.x % 32 / 4;
  }
  __device__ static float result(const weight&, unsigned, float sum) { return sum; }

 private:
  static_assert(sizeof(T) == 2);
  // 8 values, zeros behind the first `there`.
  __device__ static void copy_values(std::byte* to, const T* from, unsigned there) {
    std::uint32_t word[4] = {};
#pragma unroll
    for (unsigned k = 0; k < 8; ++k)
      if (k < there) word[k / 2] |= std::uint32_t{from[k].bits} << k % 2 * 16;
    *reinterpret_cast<uint4*>(to) = make_uint4(word[0], word[1], word[2], word[3]);
  }
  const weight& w_;
  unsigned first_;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
