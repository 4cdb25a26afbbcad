// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The steps on the device that are no products, each one kernel (steps.cu, norms.cu, attention.cu,
// likeliest.cu). All memory is the device's, unless it says so; matrices are row-major without
// gaps.
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

// Of a text, on the device: where its next row stands, and how many tokens were found.
struct text_place {
  unsigned position, found;
};

// Where rows stand: one after the other in one sequence from position *first on, or together at
// that position, one token of each of several sequences, whose caches follow one another. No
// position is `end` or above, which is all that the host knows.
struct cached_rows {
  const unsigned* first;  // on the device
  std::size_t end;
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
// sequence's positions up to its own, `window` of them at most; 0: all. `scratch` has the floats
// that cuda_attention_scratch() says for as many tokens or more.
void cuda_attend(sparsellm::cuda::executor& exec, const attention_shape& a, const float* qkv,
                 std::size_t tokens, cached_rows at, std::size_t window, const float* keys,
                 const float* values, float* scratch, float* out);
[[nodiscard]] std::size_t cuda_attention_scratch(const attention_shape& a, std::size_t tokens);
// A cached_rows::end for a row at `position` that many positions share, a power of two of chunks
// or all of the cache: what is launched for it serves them all.
[[nodiscard]] std::size_t cuda_attention_end(const attention_shape& a,
                                             std::size_t position) noexcept;

// Where a found token goes.
struct found_token {
  std::int32_t* id;   // the next row's, on the device
  text_place* place;  // likewise: one more found, and the next row `moves` further on
  unsigned moves;
  likeliest* ring;  // the i-th found goes to i mod slots; may lie on the host
  unsigned slots;
};

// The largest of logits [n], as likeliest_of(): of equals the first, and NaN is never larger.
// `scratch` has the bytes that cuda_likeliest_scratch() says.
void cuda_likeliest(sparsellm::cuda::executor& exec, const float* logits, std::size_t n,
                    std::byte* scratch, const found_token& to);
[[nodiscard]] std::size_t cuda_likeliest_scratch();

// The next row has this id and position.
void cuda_place(sparsellm::cuda::executor& exec, std::int32_t id, std::size_t position,
                std::int32_t* to, text_place* place);

// out [tokens, hidden] = g ∘ u of both [tokens, 2 · hidden] = [g; u], 0 where |g| <= tau
void cuda_multiply_above(sparsellm::cuda::executor& exec, const float* both, std::size_t tokens,
                         std::size_t hidden, float tau, float* out);

// x [n] = max(x, 0)
void cuda_relu(sparsellm::cuda::executor& exec, std::size_t n, float* x);

// x [tokens, width], rows `stride` apart, += bias [width] in every row
void cuda_add_bias(sparsellm::cuda::executor& exec, const float* bias, std::size_t tokens,
                   std::size_t width, std::size_t stride, float* x);

// out [tokens, width] = x [tokens, width], rows `stride` apart, - centre [width] in every row
void cuda_subtract(sparsellm::cuda::executor& exec, const float* x, std::size_t tokens,
                   std::size_t width, std::size_t stride, const float* centre, float* out);

// x [n] += y [n]
void cuda_add(sparsellm::cuda::executor& exec, const float* y, std::size_t n, float* x);

}  // namespace llama
