// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Blocks that share a tile of outputs and have a slice of the channels each: everybody leaves its
// sums, the last to be done adds them in the order of the slices. Blocks are counted by integer
// atomics; no float is added atomically, so scheduling does not show.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Grid: [tiles, slices]. partial [slices][tiles][tokens][Tile], tickets [tiles] zero, and left
// zero.
template <unsigned Tile>
class slices {
 public:
  __device__ slices(float* partial, unsigned* tickets, unsigned tokens)
      : partial_(partial), tickets_(tickets), tokens_(tokens) {}

  // This block's sum of output i of the tile. store(token, i, sum) is called when there is one
  // slice.
  template <class Store>
  __device__ void keep(unsigned token, unsigned i, float sum, const Store& store) const {
    if (gridDim.y == 1)
      store(token, i, sum);
    else
      *slot(blockIdx.y, token, i) = sum;
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
      for (unsigned i = threadIdx.x; i < Tile; i += blockDim.x) {
        float sum = __ldcg(slot(0, t, i));
        for (unsigned s = 1; s < gridDim.y; ++s) sum += __ldcg(slot(s, t, i));
        store(t, i, sum);
      }
    if (threadIdx.x == 0) tickets_[blockIdx.x] = 0;
  }

 private:
  [[nodiscard]] __device__ float* slot(unsigned slice, unsigned token, unsigned i) const {
    return partial_ + ((std::size_t{slice} * gridDim.x + blockIdx.x) * tokens_ + token) * Tile + i;
  }
  float* partial_;
  unsigned* tickets_;
  unsigned tokens_;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda
