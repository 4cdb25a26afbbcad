// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/steps.hpp"

#include <algorithm>
#include <cmath>

#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/error.cuh"

namespace llama {

namespace {

using sparsellm::cuda::check;
using sparsellm::cuda::executor;

constexpr unsigned threads = 128, warps = threads / 32;

// The values of all threads of the block, combined in a fixed order; every thread gets the result.
template <class T, class Combine>
__device__ T over_block(T value, T neutral, const Combine& combine) {
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

__device__ float sum_of(float v) {
  return over_block(v, 0.0f, [](float a, float b) { return a + b; });
}

// One block per token.
__global__ void normalise_kernel(const float* x, unsigned width, cuda_norm norm, float epsilon,
                                 float* out) {
  x += std::size_t{blockIdx.x} * width;
  out += std::size_t{blockIdx.x} * width;
  const auto add = [](double a, double b) { return a + b; };
  double mean = 0;
  if (norm.bias != nullptr) {
    for (unsigned i = threadIdx.x; i < width; i += threads) mean += static_cast<double>(x[i]);
    mean = over_block(mean, 0.0, add) / width;
  }
  double squares = 0;
  for (unsigned i = threadIdx.x; i < width; i += threads) {
    const double centred = static_cast<double>(x[i]) - mean;
    squares += centred * centred;
  }
  squares = over_block(squares, 0.0, add);
  const double exact = 1.0 / sqrt(squares / width + static_cast<double>(epsilon));
  const auto factor = static_cast<float>(exact);
  for (unsigned i = threadIdx.x; i < width; i += threads) {
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
  for (unsigned i = threadIdx.x; i < size; i += threads)
    squares += static_cast<double>(head[i]) * static_cast<double>(head[i]);
  squares = over_block(squares, 0.0, [](double x, double y) { return x + y; });
  const auto factor =
      static_cast<float>(1.0 / sqrt(squares / size + static_cast<double>(a.epsilon)));
  for (unsigned i = threadIdx.x; i < size; i += threads) head[i] = head[i] * factor * gain[i];
}

// The position of a row, and where its sequence's cache begins.
struct row_place {
  unsigned position;
  std::size_t cache;

  __device__ row_place(const attention_shape& a, cached_rows at, unsigned row)
      : position(static_cast<unsigned>(at.first) + (at.together ? 0 : row)),
        cache(at.together ? std::size_t{row} * a.kv_heads * a.positions * a.head_size : 0) {}
};

// One block per token, one thread per pair.
__global__ void rotate_and_store_kernel(attention_shape a, float* qkv, cached_rows at_rows,
                                        const float* rotary, float* keys, float* values) {
  const row_place here(a, at_rows, blockIdx.x);
  const unsigned position = here.position, size = a.head_size;
  float* const q = qkv + std::size_t{blockIdx.x} * a.row();
  const float* const table = rotary + std::size_t{position} * a.rotary_size;
  const unsigned pairs = a.rotary_size / 2;
  for (unsigned i = threadIdx.x; i < (a.heads + a.kv_heads) * pairs; i += threads) {
    float* const pair = q + i / pairs * size + i % pairs * 2;
    const float x = pair[0], y = pair[1], cos = table[i % pairs * 2],
                sin = table[i % pairs * 2 + 1];
    pair[0] = x * cos - y * sin;
    pair[1] = x * sin + y * cos;
  }
  __syncthreads();
  const float* const k = q + a.heads * size;
  const float* const v = k + a.kv_heads * size;
  for (unsigned i = threadIdx.x; i < a.kv_heads * size; i += threads) {
    const std::size_t at =
        here.cache + (std::size_t{i / size} * a.positions + position) * size + i % size;
    keys[at] = k[i];
    values[at] = v[i];
  }
}

// One block per head and token.
__global__ void attend_kernel(attention_shape a, const float* qkv, cached_rows at, unsigned window,
                              const float* keys, const float* values, float* out) {
  extern __shared__ float scores[];  // [visible]
  const unsigned head = blockIdx.x, token = blockIdx.y, size = a.head_size;
  const row_place here(a, at, token);
  const unsigned kv_head = head / (a.heads / a.kv_heads), positions = here.position + 1;
  const unsigned first = window == 0 || positions <= window ? 0 : positions - window;
  const unsigned visible = positions - first;
  const float* const q = qkv + std::size_t{token} * a.row() + head * size;
  const std::size_t begin = here.cache + (std::size_t{kv_head} * a.positions + first) * size;
  keys += begin;
  values += begin;
  const float scale = 1.0f / sqrtf(static_cast<float>(size));

  float largest = -INFINITY;
  for (unsigned p = threadIdx.x; p < visible; p += threads) {
    float dot = 0;
    for (unsigned i = 0; i < size; ++i) dot = fmaf(q[i], keys[std::size_t{p} * size + i], dot);
    scores[p] = dot * scale;
    largest = fmaxf(largest, scores[p]);
  }
  largest = over_block(largest, -INFINITY, [](float x, float y) { return fmaxf(x, y); });
  float sum = 0;
  for (unsigned p = threadIdx.x; p < visible; p += threads) {
    scores[p] = expf(scores[p] - largest);
    sum += scores[p];
  }
  sum = sum_of(sum);  // and all threads' scores are stored
  for (unsigned i = threadIdx.x; i < size; i += threads) {
    float mean = 0;
    for (unsigned p = 0; p < visible; ++p)
      mean = fmaf(scores[p], values[std::size_t{p} * size + i], mean);
    out[(std::size_t{token} * a.heads + head) * size + i] = mean / sum;
  }
}

// One block.
__global__ void likeliest_kernel(const float* logits, unsigned n, likeliest* out) {
  const auto larger = [](float a, float b) { return fmaxf(a, b); };
  float best = -INFINITY;
  for (unsigned i = threadIdx.x; i < n; i += threads) best = fmaxf(best, logits[i]);
  best = over_block(best, -INFINITY, larger);
  unsigned at = ~0u;
  for (unsigned i = threadIdx.x; i < n && at == ~0u; i += threads)
    if (logits[i] == best) at = i;
  at = over_block(at, ~0u, [](unsigned a, unsigned b) { return min(a, b); });
  float next = -INFINITY;
  for (unsigned i = threadIdx.x; i < n; i += threads)
    if (i != at) next = fmaxf(next, logits[i]);
  next = over_block(next, -INFINITY, larger);
  if (threadIdx.x == 0) *out = {at < n ? static_cast<std::int32_t>(at) : 0, best - next};
}

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

__global__ void multiply_above_kernel(const float* both, unsigned hidden, float tau, float* out) {
  const unsigned i = blockIdx.x * threads + threadIdx.x;
  if (i >= hidden) return;
  const float* const g = both + std::size_t{blockIdx.y} * 2 * hidden;
  out[std::size_t{blockIdx.y} * hidden + i] = fabsf(g[i]) <= tau ? 0.0f : g[i] * g[hidden + i];
}

unsigned blocks_of(std::size_t n) { return static_cast<unsigned>((n + threads - 1) / threads); }

}  // namespace

void cuda_normalise(executor& exec, const float* x, std::size_t tokens, std::size_t width,
                    const cuda_norm& norm, float epsilon, float* out) {
  normalise_kernel<<<static_cast<unsigned>(tokens), threads, 0, exec.stream()>>>(
      x, static_cast<unsigned>(width), norm, epsilon, out);
  check(cudaGetLastError(), "cuda_normalise");
}

void cuda_normalise_heads(executor& exec, const attention_shape& a, float* qkv, std::size_t tokens,
                          const float* q_gain, const float* k_gain) {
  const dim3 grid(a.heads + a.kv_heads, static_cast<unsigned>(tokens));
  normalise_heads_kernel<<<grid, threads, 0, exec.stream()>>>(a, qkv, q_gain, k_gain);
  check(cudaGetLastError(), "cuda_normalise_heads");
}

void cuda_rotate_and_store(executor& exec, const attention_shape& a, float* qkv, std::size_t tokens,
                           cached_rows at, const float* rotary, float* keys, float* values) {
  rotate_and_store_kernel<<<static_cast<unsigned>(tokens), threads, 0, exec.stream()>>>(
      a, qkv, at, rotary, keys, values);
  check(cudaGetLastError(), "cuda_rotate_and_store");
}

void cuda_attend(executor& exec, const attention_shape& a, const float* qkv, std::size_t tokens,
                 cached_rows at, std::size_t window, const float* keys, const float* values,
                 float* out) {
  const std::size_t last = at.first + (at.together ? 1 : tokens);  // positions that one may see
  const std::size_t shared = (window == 0 ? last : std::min(last, window)) * sizeof(float);
  constexpr std::size_t without_asking = 40 << 10;  // 48 KiB less what the kernel has itself
  if (shared > without_asking)
    check(cudaFuncSetAttribute(attend_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared)),
          "cuda_attend: shared memory for the scores of this many positions");
  attend_kernel<<<dim3(a.heads, static_cast<unsigned>(tokens)), threads, shared, exec.stream()>>>(
      a, qkv, at, static_cast<unsigned>(window), keys, values, out);
  check(cudaGetLastError(), "cuda_attend");
}

void cuda_likeliest(executor& exec, const float* logits, std::size_t n, likeliest* out) {
  likeliest_kernel<<<1, threads, 0, exec.stream()>>>(logits, static_cast<unsigned>(n), out);
  check(cudaGetLastError(), "cuda_likeliest");
}

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
