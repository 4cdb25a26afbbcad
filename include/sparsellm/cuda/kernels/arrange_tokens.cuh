// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations as tensor cores take them (kernels/tiled.cuh): rounded to 16 bits as the sparsifier
// leaves them, in the order in which a format's tiles name their channels, and once for all the
// blocks that read them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned segment_channels = 32;  // of two instructions' k, 16 each
inline constexpr unsigned segment_chunks = 4;     // of 16 bytes

// Which channel of a step is called which k. Both operands have to agree, no more: a format takes
// the order in which a lane finds its channels. Position p of a segment is 16 s + 8 h + 2 q + e: of
// instruction s, register h, lane q of a quad, half e of the register.
enum class channel_order : unsigned {
  natural,  // channel p
  quads,    // channel 16 s + 8 h + 4 e + q: lanes of a quad have neighbours
  cells,    // of 64 channels, lane q has [16 q, 16 q + 16), segment g of them 8 g to 8 g + 7
};
[[nodiscard]] SPARSELLM_HD constexpr unsigned channel_at(channel_order order, unsigned segment,
                                                         unsigned p) {
  const unsigned s = p / 16, h = p / 8 % 2, q = p / 2 % 4, e = p % 2;
  if (order == channel_order::natural) return segment * segment_channels + p;
  if (order == channel_order::quads) return segment * segment_channels + 16 * s + 8 * h + 4 * e + q;
  return 16 * q + 8 * segment + 4 * s + 2 * h + e;
}

// Arranged activations: [steps][padded][segments][terms] segments, and of a step [segments][padded]
// sums. A step's channels are `span` neighbours; the others are zero.
struct token_layout {
  channel_order order;
  unsigned span, steps, segments;
  unsigned terms;   // 2: the rounded activation, and what is left of it rounded
  unsigned padded;  // tokens, in whole tiles
};

// Where a row has a chunk, so that eight tokens' same chunk lies in different banks.
[[nodiscard]] SPARSELLM_HD constexpr unsigned place_of_chunk(unsigned chunk, unsigned token,
                                                             unsigned row_chunks) {
  return chunk ^ (row_chunks == segment_chunks ? token / 2 % 4 : token % 8);
}

inline constexpr unsigned arrange_threads = 128;

// x [tokens, inputs]. sums: of a segment's activations as they are multiplied, for weights that
// have minima, else null. A thread makes a chunk of each term. Grid: [chunks of a token /
// arrange_threads, padded].
template <storage_scalar T, class S>
static __global__ void arrange_tokens_kernel(S keep, const float* x, std::size_t x_stride,
                                             unsigned tokens, unsigned inputs,
                                             const __grid_constant__ token_layout to, uint4* chunks,
                                             float* sums) {
  const unsigned i = blockIdx.x * arrange_threads + threadIdx.x, t = blockIdx.y;
  if (i >= to.steps * to.segments * segment_chunks) return;
  const unsigned j = i % segment_chunks, segment = i / segment_chunks % to.segments,
                 step = i / segment_chunks / to.segments;
  std::uint32_t word[2][4] = {};
  float sum = 0;
#pragma unroll
  for (unsigned k = 0; k < 8; ++k) {
    const unsigned in_step = channel_at(to.order, segment, 8 * j + k);
    const unsigned c = step * to.span + in_step;
    const bool there = t < tokens && in_step < to.span && c < inputs;
    const float v = there ? x[t * x_stride + c] : 0.0f;
    const float kept = there && keep.keeps(v, c) ? v : 0.0f;
    const T first = narrow<T>(kept);
    word[0][k / 2] |= std::uint32_t{first.bits} << k % 2 * 16;
    // Infinities have no rest.
    const float high = widen(first), rest = is_finite(high) ? kept - high : 0.0f;
    const T second = narrow<T>(rest);
    word[1][k / 2] |= std::uint32_t{second.bits} << k % 2 * 16;
    sum += high + widen(second);
  }
  const unsigned row_chunks = to.segments * to.terms * segment_chunks;
  uint4* const row = chunks + (std::size_t{step} * to.padded + t) * row_chunks;
#pragma unroll
  for (unsigned term = 0; term < 2; ++term)
    if (term < to.terms)
      row[place_of_chunk((segment * to.terms + term) * segment_chunks + j, t, row_chunks)] =
          make_uint4(word[term][0], word[term][1], word[term][2], word[term][3]);
  if (sums == nullptr) return;
  const unsigned quad = 0xfu << threadIdx.x % 32 / 4 * 4;
  sum += __shfl_xor_sync(quad, sum, 1);
  sum += __shfl_xor_sync(quad, sum, 2);
  if (j == 0) sums[(std::size_t{step} * to.segments + segment) * to.padded + t] = sum;
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
