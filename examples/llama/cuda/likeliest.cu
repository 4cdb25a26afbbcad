// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The largest of many numbers and the next: maxima, so no order of comparing gives other ones.
#include <algorithm>

#include "cuda/block_sums.cuh"
#include "cuda/steps.hpp"
#include "sparsellm/cuda/error.cuh"

namespace llama {

namespace {

using sparsellm::cuda::check;
using sparsellm::cuda::executor;

constexpr unsigned threads = 256;
// Logits of a block, and blocks at most: the last one reads what all have found.
constexpr std::size_t of_block = 2048, most_blocks = 256;

// As likeliest_of(): NaN is never larger, and of equals the first is taken.
struct leader {
  float best = -INFINITY, next = -INFINITY;
  unsigned at = ~0u;

  __device__ void see(float logit, unsigned i) {
    if (logit > best) {
      next = best;
      best = logit;
      at = i;
    } else if (logit > next) {
      next = logit;
    }
  }
  __device__ static leader of(const leader& a, const leader& b) {
    const bool first = a.best > b.best || (a.best == b.best && a.at <= b.at);
    const leader &ahead = first ? a : b, &behind = first ? b : a;
    return {ahead.best, fmaxf(ahead.next, behind.best), ahead.at};
  }
};

// A leader of the block's threads, in its first warp.
__device__ leader of_all(leader mine) {
  __shared__ leader of_warp[threads / 32];
  const auto over_warp = [](leader l) {
    for (int step = 16; step != 0; step /= 2)
      l = leader::of(l, {__shfl_xor_sync(~0u, l.best, step), __shfl_xor_sync(~0u, l.next, step),
                         __shfl_xor_sync(~0u, l.at, step)});
    return l;
  };
  mine = over_warp(mine);
  __syncthreads();  // the last call's have been read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
  __syncthreads();
  return over_warp(threadIdx.x % 32 < threads / 32 ? of_warp[threadIdx.x % 32] : leader{});
}

// found [blocks] is scratch.
__global__ void __launch_bounds__(threads)
    likeliest_kernel(const float* logits, unsigned n, unsigned each, leader* found,
                     unsigned* ticket, found_token to) {
  __shared__ bool is_last;
  leader mine;
  const unsigned first = blockIdx.x * each, end = min(first + each, n);
  for (unsigned i = first + threadIdx.x; i < end; i += threads) mine.see(logits[i], i);
  mine = of_all(mine);
  if (threadIdx.x == 0) {
    found[blockIdx.x] = mine;
    __threadfence();
    is_last = atomicAdd(ticket, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  leader best;
  for (unsigned b = threadIdx.x; b < gridDim.x; b += threads) {
    const volatile leader& other = found[b];
    best = leader::of(best, {other.best, other.next, other.at});
  }
  best = of_all(best);
  if (threadIdx.x != 0) return;
  *ticket = 0;
  const auto id = best.at < n ? static_cast<std::int32_t>(best.at) : 0;
  to.ring[to.place->found % to.slots] = {id, best.best - best.next};
  to.place->found += 1;
  to.place->position += to.moves;
  *to.id = id;
}

__global__ void place_kernel(std::int32_t id, unsigned position, std::int32_t* to,
                             text_place* place) {
  *to = id;
  place->position = position;
}

unsigned blocks_of(std::size_t n) {
  return static_cast<unsigned>(std::clamp<std::size_t>(n / of_block, 1, most_blocks));
}

}  // namespace

std::size_t cuda_likeliest_scratch() { return most_blocks * sizeof(leader); }

void cuda_likeliest(executor& exec, const float* logits, std::size_t n, std::byte* scratch,
                    const found_token& to) {
  const unsigned blocks = blocks_of(n), all = static_cast<unsigned>(n);
  likeliest_kernel<<<blocks, threads, 0, exec.stream()>>>(logits, all, (all + blocks - 1) / blocks,
                                                          reinterpret_cast<leader*>(scratch),
                                                          exec.tickets(), to);
  check(cudaGetLastError(), "cuda_likeliest");
}

void cuda_place(executor& exec, std::int32_t id, std::size_t position, std::int32_t* to,
                text_place* place) {
  place_kernel<<<1, 1, 0, exec.stream()>>>(id, static_cast<unsigned>(position), to, place);
  check(cudaGetLastError(), "cuda_place");
}

}  // namespace llama
