// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The values of all threads of a block, combined in a fixed order.
#pragma once

namespace llama {

// Every thread of the block gets the result; threads is a multiple of 32.
template <unsigned threads, class T, class Combine>
__device__ T over_block(T value, T neutral, const Combine& combine) {
  constexpr unsigned warps = threads / 32;
  __shared__ T of_warp[warps];
  for (int step = 16; step != 0; step /= 2)
    value = combine(value, __shfl_xor_sync(~0u, value, step));
  __syncthreads();  // the last call's results have been read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  T all = neutral;
  for (unsigned w = 0; w < warps; ++w) all = combine(all, of_warp[w]);
  return all;
}

}  // namespace llama
