// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cuda/block_sums.cuh"
#include "cuda/steps.hpp"
#include "sparsellm/cuda/error.cuh"

namespace llama {

namespace {

using sparsellm::cuda::check;
using sparsellm::cuda::executor;

constexpr unsigned threads = 512, head_threads = 128;
// Channels that a block writes of a token, where tokens are too few to fill a GPU.
constexpr unsigned slice = 1024;

// A few blocks per token. Each adds the squares of the whole row, which is in the L2 cache, in the
// same order: to wait for each other's sums would take longer. Grid: [slices, tokens].
__global__ void __launch_bounds__(threads)
    normalise_kernel(const float* x, unsigned width, unsigned written, cuda_norm norm,
                     float epsilon, float* out) {
  x += std::size_t{blockIdx.y} * width;
  out += std::size_t{blockIdx.y} * width;
  const auto add = [](double a, double b) { return a + b; };
  double mean = 0;
  if (norm.bias != nullptr) {
    for (unsigned i = threadIdx.x; i < width; i += threads) mean += static_cast<double>(x[i]);
    mean = over_block<threads>(mean, 0.0, add) / width;
  }
  double squares = 0;
  for (unsigned i = threadIdx.x; i < width; i += threads) {
    const double centred = static_cast<double>(x[i]) - mean;
    squares += centred * centred;
  }
  squares = over_block<threads>(squares, 0.0, add);
  const double exact = 1.0 / sqrt(squares / width + static_cast<double>(epsilon));
  const auto factor = static_cast<float>(exact);
  const unsigned first = blockIdx.x * written, last = min(first + written, width);
  for (unsigned i = first + threadIdx.x; i < last; i += threads) {
    const unsigned c = norm.order == nullptr ? i : norm.order[i];
    out[i] = norm.bias == nullptr
                 ? x[c] * factor * norm.gain[c]
                 : static_cast<float>((static_cast<double>(x[c]) - mean) * exact) * norm.gain[c] +
                       norm.bias[c];
  }
}

// One block per token and head of q and k.
__global__ void normalise_heads_kernel(attention_shape a, float* qkv, const float* q_gain,
                                       const float* k_gain) {
  const unsigned size = a.head_size;
  float* const head = qkv + std::size_t{blockIdx.y} * a.row() + std::size_t{blockIdx.x} * size;
  const float* const gain = blockIdx.x < a.heads ? q_gain : k_gain;
  double squares = 0;
  for (unsigned i = threadIdx.x; i < size; i += head_threads)
    squares += static_cast<double>(head[i]) * static_cast<double>(head[i]);
  squares = over_block<head_threads>(squares, 0.0, [](double x, double y) { return x + y; });
  const auto factor =
      static_cast<float>(1.0 / sqrt(squares / size + static_cast<double>(a.epsilon)));
  for (unsigned i = threadIdx.x; i < size; i += head_threads) head[i] = head[i] * factor * gain[i];
}

}  // namespace

void cuda_normalise(executor& exec, const float* x, std::size_t tokens, std::size_t width,
                    const cuda_norm& norm, float epsilon, float* out) {
  constexpr std::size_t few = 64;  // tokens; more fill a GPU with a block each
  const auto all = static_cast<unsigned>(width), written = tokens <= few ? slice : all;
  const dim3 grid((all + written - 1) / written, static_cast<unsigned>(tokens));
  normalise_kernel<<<grid, threads, 0, exec.stream()>>>(x, all, written, norm, epsilon, out);
  check(cudaGetLastError(), "cuda_normalise");
}

void cuda_normalise_heads(executor& exec, const attention_shape& a, float* qkv, std::size_t tokens,
                          const float* q_gain, const float* k_gain) {
  const dim3 grid(a.heads + a.kv_heads, static_cast<unsigned>(tokens));
  normalise_heads_kernel<<<grid, head_threads, 0, exec.stream()>>>(a, qkv, q_gain, k_gain);
  check(cudaGetLastError(), "cuda_normalise_heads");
}

}  // namespace llama
