// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The steps of a block on the device that are no products, each one kernel. All memory is the
// device's; matrices are row-major without gaps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/likeliest.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/executor.cuh"

namespace llama {

struct attention_shape {
  unsigned heads, kv_heads, head_size, rotary_size;  // 0: heads are not turned
  unsigned
      positions;  // of the cache: keys and values [kv_heads][positions][head_size] per sequence
  float epsilon;  // of the norms of heads

  // q, k and v of a token
  [[nodiscard]] SPARSELLM_HD unsigned row() const { return (heads + 2 * kv_heads) * head_size; }
};

// Where rows stand: one after the other in one sequence from position `first` on, or together at
// that position, one token of each of several sequences, whose caches follow one another.
struct cached_rows {
  std::size_t first;
  bool together;
};

// A norm's parameters [width].
struct cuda_norm {
  const float* gain;
  const float* bias;           // nullptr: RMSNorm, else LayerNorm
  const std::uint32_t* order;  // channel order[i] goes in place i; nullptr: where it is
};

// out [tokens, width] = x normalised
void cuda_normalise(sparsellm::cuda::executor& exec, const float* x, std::size_t tokens,
                    std::size_t width, const cuda_norm& norm, float epsilon, float* out);

// x [tokens, row] with heads of q and k normalised by RMSNorm, gains [head_size].
void cuda_normalise_heads(sparsellm::cuda::executor& exec, const attention_shape& a, float* qkv,
                          std::size_t tokens, const float* q_gain, const float* k_gain);

// Turns q and k of qkv [tokens, row] by their position, and stores k and v. rotary
// [positions][rotary_size / 2]: cos, sin.
void cuda_rotate_and_store(sparsellm::cuda::executor& exec, const attention_shape& a, float* qkv,
                           std::size_t tokens, cached_rows at, const float* rotary, float* keys,
                           float* values);

// out [tokens, heads · head_size] = softmax(q · K / sqrt(head_size)) · V, each token seeing its
// sequence's positions up to its own, `window` of them at most; 0: all. Throws device_error when a
// block's shared memory does not hold as many scores.
void cuda_attend(sparsellm::cuda::executor& exec, const attention_shape& a, const float* qkv,
                 std::size_t tokens, cached_rows at, std::size_t window, const float* keys,
                 const float* values, float* out);

// out [1]: the largest of logits [n], of equals the first, as likeliest_of().
void cuda_likeliest(sparsellm::cuda::executor& exec, const float* logits, std::size_t n,
                    likeliest* out);

// out [tokens, hidden] = g ∘ u of both [tokens, 2 · hidden] = [g; u], 0 where |g| <= tau
void cuda_multiply_above(sparsellm::cuda::executor& exec, const float* both, std::size_t tokens,
                         std::size_t hidden, float tau, float* out);

// x [n] = max(x, 0)
void cuda_relu(sparsellm::cuda::executor& exec, std::size_t n, float* x);

// x [tokens, width], rows `stride` apart, += bias [width] in every row
void cuda_add_bias(sparsellm::cuda::executor& exec, const float* bias, std::size_t tokens,
                   std::size_t width, std::size_t stride, float* x);

// x [n] += y [n]
void cuda_add(sparsellm::cuda::executor& exec, const float* y, std::size_t n, float* x);

}  // namespace llama
