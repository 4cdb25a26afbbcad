// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
#include "cuda/measure/random.hpp"

#include "sparsellm/cuda/error.cuh"

namespace bench {
namespace {

__device__ void store(float* to, float value) { *to = value; }
__device__ void store(std::uint16_t* to, float value) {
  *to = sparsellm::narrow<sparsellm::bfloat16>(value).bits;
}

template <class T>
__global__ void fill_kernel(T* to, std::size_t n, float scale, std::uint64_t seed) {
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
       i += std::size_t{gridDim.x} * blockDim.x)
    store(to + i, scale * normal_at(seed, i));
}

template <class T>
void fill(T* to, std::size_t n, float scale, std::uint64_t seed, cudaStream_t stream) {
  constexpr std::size_t threads = 256;
  const std::size_t wanted = (n + threads - 1) / threads;
  const auto blocks = static_cast<unsigned>(wanted < 4096 ? wanted : 4096);
  fill_kernel<<<blocks, threads, 0, stream>>>(to, n, scale, seed);
  sparsellm::cuda::check(cudaGetLastError(), "fill_random: launch");
}

}  // namespace

void fill_random(std::uint16_t* bfloat16s, std::size_t n, float scale, std::uint64_t seed,
                 cudaStream_t stream) {
  fill(bfloat16s, n, scale, seed, stream);
}
void fill_random(float* to, std::size_t n, float scale, std::uint64_t seed, cudaStream_t stream) {
  fill(to, n, scale, seed, stream);
}

}  // namespace bench
