// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of channel_bitmap of 16 and 8 bits. Where the values of a channel's outputs begin was
// counted when the weight was packed, for every 256 outputs; a tile of 128 counts the bits of 128
// more.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/kept_values.cuh"
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/pipeline.cuh"
#include "sparsellm/cuda/kernels/warp_sums.cuh"
#include "sparsellm/pack/bitmap_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <class T>
struct bitmap_tiles {
  using weight = bitmap_weight<T>;
  using number = typename kept_values<T>::number;
  static constexpr channel_order order = channel_order::quads;
  static constexpr unsigned segments = 1, terms = kept_values<T>::terms, stages = 4;
  static constexpr unsigned blocks_of_many = 1;
  static constexpr bool scaled = false, affine = false;
  static constexpr unsigned units_at_once = 8;  // masks are read 32 bytes at a time

  __device__ static unsigned output(unsigned unit, unsigned i) {
    return unit * unit_outputs + threadIdx.x % 32 / 4 * 4 + i;
  }
  __device__ static float result(const weight& w, unsigned output, float sum) {
    return std::same_as<T, std::int8_t> ? sum * w.scales[output] : sum;
  }

  template <unsigned Units>
  class reader {
   public:
    SPARSELLM_HD static unsigned bytes(const weight&) {
      return header_bytes + segment_channels * slot_bytes;
    }

    __device__ reader(const weight& w, unsigned first_unit, unsigned begin)
        : w_(w), first_(first_unit), step_(begin) {
      line_ = line(begin);
      load_mask(begin);
      line_ = line(begin + 1);
    }

    // Eight threads a channel. Where the next step's values lie is on its way meanwhile.
    __device__ void copy(std::byte* to) {
      const unsigned c = threadIdx.x / 8, part = threadIdx.x % 8;
      const auto words = static_cast<unsigned>(w_.words());
      unsigned all = 0, mine = 0, bits = 0;  // of the units before, of those before `part`
#pragma unroll
      for (unsigned u = 0; u < Units; ++u) {
        const std::uint32_t mask = (first_ + u) / 2 < words ? mask_[u] : 0;
        if (u == part) mine = all, bits = mask;
        all += static_cast<unsigned>(__popc(mask));
      }
      unsigned before = before_;
      if constexpr (Units < counted_units)
        before += static_cast<unsigned>(__popc(half_.x) + __popc(half_.y) + __popc(half_.z) +
                                        __popc(half_.w));
      const std::byte* const values =
          reinterpret_cast<const std::byte*>(channel_ + words) + std::size_t{before} * sizeof(T);
      const auto misaligned = static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(values) % 16);
      if (part < Units)
        reinterpret_cast<uint2*>(to)[c * Units + part] =
            make_uint2(bits, misaligned / static_cast<unsigned>(sizeof(T)) + mine);
      const unsigned bytes = all == 0 ? 0 : misaligned + all * static_cast<unsigned>(sizeof(T));
      std::byte* const slot = to + header_bytes + c * slot_bytes;
      for (unsigned i = 16 * part; i < bytes; i += 16 * 8)
        copy_async(slot + i, values - misaligned + i);
      ++step_;
      load_mask(step_);
      line_ = line(step_ + 1);
    }
    __device__ void fragments(const std::byte* from, unsigned unit, unsigned,
                              unit_fragments& a) const {
      const unsigned shift = threadIdx.x % 32 / 4 * 4, q = threadIdx.x % 4;
#pragma unroll
      for (unsigned s = 0; s < 2; ++s)
#pragma unroll
        for (unsigned h = 0; h < 2; ++h) {
          std::uint32_t pair[4];
#pragma unroll
          for (unsigned i = 0; i < 4; ++i) pair[i] = kept_values<T>::nothing;
#pragma unroll
          for (unsigned e = 0; e < 2; ++e) {
            const unsigned c = 16 * s + 8 * h + 4 * e + q;
            const uint2 header = reinterpret_cast<const uint2*>(from)[c * Units + unit];
            const T* value = reinterpret_cast<const T*>(from + header_bytes + c * slot_bytes) +
                             header.y + __popc(header.x & ((1u << shift) - 1));
#pragma unroll
            for (unsigned i = 0; i < 4; ++i)
              if ((header.x >> shift >> i & 1u) != 0) kept_values<T>::put(pair[i], e, *value++);
          }
#pragma unroll
          for (unsigned i = 0; i < 4; ++i)
            a[i / 2][s][2 * h + i % 2] = kept_values<T>::numbers(pair[i]);
        }
    }

   private:
    // Of a channel: each unit's mask and where in the slot its values begin; then the values, which
    // begin anywhere in the slot's first 16 bytes.
    static constexpr unsigned header_bytes = segment_channels * Units * 8;
    static constexpr unsigned slot_bytes =
        (Units * unit_outputs * static_cast<unsigned>(sizeof(T)) / 16 + 1) * 16;

    // The last channel for those behind it: times zero.
    __device__ unsigned channel(unsigned step) const {
      return min(step * segment_channels + threadIdx.x / 8,
                 static_cast<unsigned>(w_.shape.inputs) - 1);
    }
    __device__ std::uint32_t line(unsigned step) const { return __ldg(w_.begins + channel(step)); }
    __device__ void load_mask(unsigned step) {
      channel_ = reinterpret_cast<const std::uint64_t*>(w_.data + std::size_t{line_} * 64);
      const auto* const at =
          reinterpret_cast<const uint4*>(reinterpret_cast<const std::uint32_t*>(channel_) + first_);
#pragma unroll
      for (unsigned i = 0; i < Units / 4; ++i) {
        const uint4 v = __ldg(at + i);
        mask_[4 * i] = v.x, mask_[4 * i + 1] = v.y, mask_[4 * i + 2] = v.z, mask_[4 * i + 3] = v.w;
      }
      const unsigned counted = first_ / counted_units;
      before_ = counted == 0
                    ? 0
                    : __ldg(w_.ends + std::size_t{counted - 1} * w_.shape.inputs + channel(step));
      if constexpr (Units < counted_units) {
        if (first_ % counted_units != 0) half_ = __ldg(at - 1);
      }
    }
    static constexpr unsigned counted_units = counted_outputs / unit_outputs;
    static_assert(Units == counted_units || 2 * Units == counted_units);
    const weight& w_;
    unsigned first_, step_;   // unit; step to be copied next
    std::uint32_t line_ = 0;  // of the step after the next to be copied
    const std::uint64_t* channel_ =
        nullptr;  // of the next step: its masks, its tile's, bits before
    std::uint32_t mask_[Units] = {}, before_ = 0;
    uint4 half_ = {};  // the masks between those counted and the tile's, where it has half of 256
  };
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
