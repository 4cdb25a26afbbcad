// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of n_of_m of 16 and 8 bits, of any pattern: a unit is four strips, a step a cell. A lane
// has 16 neighbouring channels of an output, as the one-token kernel's has, and expands them by
// their mask; levels of 8 bits are exact in bfloat16 and scaled at the end.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/kept_values.cuh"
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"
#include "sparsellm/cuda/kernels/warp_sums.cuh"
#include "sparsellm/pack/nm_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <class T>
struct nm_tiles {
  using weight = nm_weight<T>;
  using number = typename kept_values<T>::number;
  static constexpr channel_order order = channel_order::cells;
  static constexpr unsigned segments = 2, terms = kept_values<T>::terms, stages = 2;
  static constexpr unsigned blocks_of_many = 1;
  static constexpr bool scaled = false, affine = false;
  static constexpr unsigned units_at_once = 1;

  static constexpr unsigned unit_strips = unit_outputs / static_cast<unsigned>(nm_strip_outputs);
  __device__ static unsigned output(unsigned unit, unsigned i) {
    return unit * unit_outputs + 8 * i + threadIdx.x % 32 / 4;
  }
  __device__ static float result(const weight& w, unsigned output, float sum) {
    return std::same_as<T, std::int8_t> ? sum * w.scales[output] : sum;
  }

  template <unsigned Units>
  class reader {
   public:
    SPARSELLM_HD static unsigned bytes(const weight& w) { return Units * unit_strips * pitch(w); }

    __device__ reader(const weight& w, unsigned first_unit, unsigned begin) : w_(w) {
      // A strip behind the last is the last again, and not stored.
      const unsigned strip = min(first_unit * unit_strips + threadIdx.x / threads,
                                 static_cast<unsigned>(w.strips()) - 1);
      from_ =
          w.data + (strip * w.cells() + begin) * w.cell_bytes() + threadIdx.x % threads * copied;
    }

    __device__ void copy(std::byte* to) {
      const auto cell_bytes = static_cast<unsigned>(w_.cell_bytes());
      const unsigned first = threadIdx.x % threads * copied;
      std::byte* const place = to + threadIdx.x / threads * pitch(w_) + first;
      for (unsigned i = 0; first + i < cell_bytes; i += threads * copied) {
        if constexpr (copied == 16)
          copy_async(place + i, from_ + i);
        else
          copy_small_async<copied>(place + i, from_ + i);
      }
      from_ += cell_bytes;
    }
    __device__ void fragments(const std::byte* from, unsigned unit, unsigned segment,
                              unit_fragments& a) const {
      const unsigned group = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
      const unsigned shift = 16 * q + 8 * segment;
#pragma unroll
      for (unsigned i = 0; i < unit_strips; ++i) {
        const std::byte* const strip = from + (unit * unit_strips + i) * pitch(w_);
        const std::uint64_t mask = reinterpret_cast<const std::uint64_t*>(strip)[group];
        const auto bits = static_cast<std::uint32_t>(mask >> shift);
        const T* value = reinterpret_cast<const T*>(strip + nm_strip_outputs * 8) +
                         group * static_cast<unsigned>(w_.values_per_output) +
                         __popcll(mask & ((std::uint64_t{1} << shift) - 1));
#pragma unroll
        for (unsigned s = 0; s < 2; ++s)
#pragma unroll
          for (unsigned h = 0; h < 2; ++h) {
            std::uint32_t pair = kept_values<T>::nothing;
#pragma unroll
            for (unsigned e = 0; e < 2; ++e)
              if ((bits >> (4 * s + 2 * h + e) & 1u) != 0) kept_values<T>::put(pair, e, *value++);
            a[i / 2][s][2 * h + i % 2] = kept_values<T>::numbers(pair);
          }
      }
    }

   private:
    // From a strip's cell to the next strip's in shared memory.
    SPARSELLM_HD static unsigned pitch(const weight& w) {
      return (static_cast<unsigned>(w.cell_bytes()) + 15) / 16 * 16;
    }
    // Cells of 8-bit values begin at whole 8 bytes.
    static constexpr unsigned copied = sizeof(T) == 1 ? 8 : 16;
    static constexpr unsigned threads = tiled_threads / (Units * unit_strips);  // of a strip
    const weight& w_;
    const std::byte* from_;  // the thread's, of the next step
  };
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
