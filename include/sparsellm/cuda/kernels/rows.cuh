// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// y = W · s(x) for weights stored row after row, and the rows that are asked for alone: a warp a
// row, which is contiguous, so that a row nobody wants is not read (CATS, arXiv 2404.08763).
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/words.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned row_warps = 8;

// Which rows a token wants.
struct every_row {
  [[nodiscard]] __device__ bool wants(unsigned, unsigned) const { return true; }
};
// Those whose score [tokens, outputs] is kept.
template <class Keep>
struct rows_kept {
  const float* score;
  std::size_t stride;
  Keep keep;
  [[nodiscard]] __device__ bool wants(unsigned token, unsigned row) const {
    return keep.keeps(score[token * stride + row], row);
  }
};

// Values neighbouring weights, whole words of them.
template <storage_scalar T, unsigned Values>
__device__ void load_row(const T* from, float (&to)[Values]) {
  if constexpr (Values == 1) {
    to[0] = widen(from[0]);
  } else {
    std::uint32_t word[Values * sizeof(T) / 4];
    load_words<Values * sizeof(T) / 4>(from, word);
#pragma unroll
    for (unsigned i = 0; i < Values; ++i) {
      if constexpr (sizeof(T) == 4)
        to[i] = __uint_as_float(word[i]);
      else if constexpr (std::same_as<T, bfloat16>)
        to[i] = __uint_as_float(i % 2 == 0 ? word[i / 2] << 16 : word[i / 2] & 0xffff0000u);
      else
        to[i] = widen_half(i % 2 == 0 ? word[i / 2] & 0xffffu : word[i / 2] >> 16);
    }
  }
}

// Values neighbouring activations, in whole 16 bytes where they lie so.
template <unsigned Values>
__device__ void load_x(const float* from, float (&to)[Values]) {
  if (Values % 4 == 0 && reinterpret_cast<std::uintptr_t>(from) % 16 == 0) {
#pragma unroll
    for (unsigned i = 0; i + 4 <= Values; i += 4) {
      const float4 v = __ldg(reinterpret_cast<const float4*>(from + i));
      to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
    }
  } else {
#pragma unroll
    for (unsigned i = 0; i < Values; ++i) to[i] = __ldg(from + i);
  }
}

// Values: 16 bytes where rows begin at whole 16 bytes, else 1. Grid: [outputs / row_warps].
template <storage_scalar T, unsigned Values, int Tokens, class S, class Rows>
static __global__ void __launch_bounds__(row_warps * 32, 1)
    row_kernel(const T* data, extents shape, const __grid_constant__ section_list<S> sections,
               const __grid_constant__ token_batch batch, Rows rows) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned row = blockIdx.x * row_warps + threadIdx.x / 32;
  if (row >= shape.outputs) return;
  const auto inputs = static_cast<unsigned>(shape.inputs);
  bool wanted[Tokens], any = false;
#pragma unroll
  for (unsigned t = 0; t < Tokens; ++t) {
    wanted[t] = t < batch.tokens && rows.wants(t, row);
    any = any || wanted[t];
  }
  float sum[Tokens] = {};
  if (any) {
    const S& keep = sections.at[sections.of(row)].keep;
    const T* const first = data + std::size_t{row} * inputs;
    for (unsigned c = lane * Values; c < inputs; c += 32 * Values) {
      float weight[Values];
      load_row<T, Values>(first + c, weight);
#pragma unroll
      for (unsigned t = 0; t < Tokens; ++t) {
        if (!wanted[t]) continue;
        float x[Values];
        load_x<Values>(batch.x + t * batch.x_stride + c, x);
#pragma unroll
        for (unsigned i = 0; i < Values; ++i)
          sum[t] = fmaf(weight[i], keep.keeps(x[i], c + i) ? x[i] : 0.0f, sum[t]);
      }
    }
  }
#pragma unroll
  for (unsigned t = 0; t < Tokens; ++t) {
    if (t >= batch.tokens) break;
#pragma unroll
    for (unsigned step = 16; step != 0; step /= 2) sum[t] += __shfl_xor_sync(~0u, sum[t], step);
    if (lane == 0) batch.y[t * batch.y_stride + row] = sum[t];
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
