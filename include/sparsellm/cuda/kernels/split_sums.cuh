// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thread blocks that share a tile of outputs and have a split of the channels each (split-K): every
// one leaves its sums, the last to be done adds them in the order of the splits. Blocks are counted
// by integer atomics; no float is added atomically, so scheduling does not show.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Grid: [tiles, splits]. partial [splits][tiles][tokens][Tile], tickets [tiles] zero, and left
// zero. Width sums are stored together: 1, or 2 for a gate and what it gates. Neighbours (1 or 4)
// are added by one thread at once: 4 where a tile has many for each thread.
template <unsigned Tile, unsigned Width = 1, unsigned Neighbours = 1>
class split_sums {
 public:
  __device__ split_sums(float* partial, unsigned* tickets, unsigned tokens)
      : partial_(partial), tickets_(tickets), tokens_(tokens) {}

  // This block's sums of place i of the tile, i < Tile / Width. store(token, i, sums) is called
  // when there is one split.
  template <class Store>
  __device__ void keep(unsigned token, unsigned i, const float (&sum)[Width],
                       const Store& store) const {
    if (gridDim.y == 1) {
      store(token, i, sum);
    } else {
#pragma unroll
      for (unsigned k = 0; k < Width; ++k) *slot(blockIdx.y, token, i, k) = sum[k];
    }
  }
  // Called by all threads when the block has kept all of its sums.
  template <class Store>
  __device__ void add(const Store& store) const {
    if (gridDim.y == 1) return;
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicAdd(&tickets_[blockIdx.x], 1u) + 1 == gridDim.y;
    __syncthreads();
    if (!last) return;
    __threadfence();
    for (unsigned t = 0; t < tokens_; ++t)
      for (unsigned i = threadIdx.x * Neighbours; i < Tile / Width; i += blockDim.x * Neighbours) {
        float sum[Neighbours][Width] = {};
        for (unsigned s0 = 0; s0 < gridDim.y; s0 += read_at_once) {
          float read[Width][read_at_once][Neighbours];
#pragma unroll
          for (unsigned s = 0; s < read_at_once; ++s)
#pragma unroll
            for (unsigned k = 0; k < Width; ++k) load(read[k][s], s0 + s, t, i, k);
#pragma unroll
          for (unsigned s = 0; s < read_at_once; ++s)
#pragma unroll
            for (unsigned k = 0; k < Width; ++k)
#pragma unroll
              for (unsigned j = 0; j < Neighbours; ++j) sum[j][k] += read[k][s][j];
        }
#pragma unroll
        for (unsigned j = 0; j < Neighbours; ++j) store(t, i + j, sum[j]);
      }
    if (threadIdx.x == 0) tickets_[blockIdx.x] = 0;
  }

 private:
  static constexpr unsigned read_at_once = 16 / Width;  // splits: one's latency is all of theirs
  static_assert(Neighbours == 1 || Neighbours == 4);
  // Zeros of a split behind the last.
  __device__ void load(float (&to)[Neighbours], unsigned split, unsigned token, unsigned i,
                       unsigned k) const {
    if constexpr (Neighbours == 1) {
      to[0] = split < gridDim.y ? __ldcg(slot(split, token, i, k)) : 0.0f;
    } else {
      float4 v = {};
      if (split < gridDim.y) v = __ldcg(reinterpret_cast<const float4*>(slot(split, token, i, k)));
      to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    }
  }
  [[nodiscard]] __device__ float* slot(unsigned split, unsigned token, unsigned i,
                                       unsigned k) const {
    return partial_ + ((std::size_t{split} * gridDim.x + blockIdx.x) * tokens_ + token) * Tile +
           k * (Tile / Width) + i;
  }
  float* partial_;
  unsigned* tickets_;
  unsigned tokens_;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
