// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/steps.hpp"

#include "sparsellm/cuda/error.cuh"

namespace llama {

namespace {

using sparsellm::cuda::check;
using sparsellm::cuda::executor;

constexpr unsigned threads = 128;

__global__ void add_kernel(const float* y, unsigned n, float* x) {
  const unsigned i = blockIdx.x * threads + threadIdx.x;
  if (i < n) x[i] += y[i];
}

__global__ void relu_kernel(unsigned n, float* x) {
  const unsigned i = blockIdx.x * threads + threadIdx.x;
  if (i < n) x[i] = x[i] < 0.0f ? 0.0f : x[i];
}

__global__ void add_bias_kernel(const float* bias, unsigned width, std::size_t stride, float* x) {
  const unsigned i = blockIdx.x * threads + threadIdx.x;
  if (i < width) x[blockIdx.y * stride + i] += bias[i];
}

__global__ void subtract_kernel(const float* x, unsigned width, std::size_t stride,
                                const float* centre, float* out) {
  const unsigned i = blockIdx.x * threads + threadIdx.x;
  if (i < width) out[std::size_t{blockIdx.y} * width + i] = x[blockIdx.y * stride + i] - centre[i];
}

__global__ void multiply_above_kernel(const float* both, unsigned hidden, float tau, float* out) {
  const unsigned i = blockIdx.x * threads + threadIdx.x;
  if (i >= hidden) return;
  const float* const g = both + std::size_t{blockIdx.y} * 2 * hidden;
  out[std::size_t{blockIdx.y} * hidden + i] = fabsf(g[i]) <= tau ? 0.0f : g[i] * g[hidden + i];
}

unsigned blocks_of(std::size_t n) { return static_cast<unsigned>((n + threads - 1) / threads); }

}  // namespace

void cuda_relu(executor& exec, std::size_t n, float* x) {
  relu_kernel<<<blocks_of(n), threads, 0, exec.stream()>>>(static_cast<unsigned>(n), x);
  check(cudaGetLastError(), "cuda_relu");
}

void cuda_add_bias(executor& exec, const float* bias, std::size_t tokens, std::size_t width,
                   std::size_t stride, float* x) {
  const dim3 grid(blocks_of(width), static_cast<unsigned>(tokens));
  add_bias_kernel<<<grid, threads, 0, exec.stream()>>>(bias, static_cast<unsigned>(width), stride,
                                                       x);
  check(cudaGetLastError(), "cuda_add_bias");
}

void cuda_subtract(executor& exec, const float* x, std::size_t tokens, std::size_t width,
                   std::size_t stride, const float* centre, float* out) {
  const dim3 grid(blocks_of(width), static_cast<unsigned>(tokens));
  subtract_kernel<<<grid, threads, 0, exec.stream()>>>(x, static_cast<unsigned>(width), stride,
                                                       centre, out);
  check(cudaGetLastError(), "cuda_subtract");
}

void cuda_multiply_above(executor& exec, const float* both, std::size_t tokens, std::size_t hidden,
                         float tau, float* out) {
  const dim3 grid(blocks_of(hidden), static_cast<unsigned>(tokens));
  multiply_above_kernel<<<grid, threads, 0, exec.stream()>>>(both, static_cast<unsigned>(hidden),
                                                             tau, out);
  check(cudaGetLastError(), "cuda_multiply_above");
}

void cuda_add(executor& exec, const float* y, std::size_t n, float* x) {
  add_kernel<<<blocks_of(n), threads, 0, exec.stream()>>>(y, static_cast<unsigned>(n), x);
  check(cudaGetLastError(), "cuda_add");
}

}  // namespace llama
