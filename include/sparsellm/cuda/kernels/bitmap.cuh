// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// y = W · s(x) for N:M weights of which skipped channels are never read: of an active channel a bit
// an output and the values kept, N/M of them. A warp has 256 outputs, 8 a lane: those whose values
// were counted when the weight was packed. Where a channel's line, values and mask lie is known for
// 32 channels at once, beside their activations, so that mask and values are on their way at the
// same time. Values go by way of shared memory: read in whole chunks, taken one by one.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/split_sums.cuh"
#include "sparsellm/cuda/kernels/words.cuh"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned bitmap_warps = 2;
inline constexpr unsigned bitmap_warp_outputs = static_cast<unsigned>(counted_outputs),
                          bitmap_tile = bitmap_warps * bitmap_warp_outputs;
inline constexpr unsigned shortest_bitmap_part = 64, longest_bitmap_part = 256;  // of a block
inline constexpr unsigned bitmap_flight = 4;  // active channels whose values are read at once

// The values of a warp's outputs in one channel.
template <class T>
struct bitmap_values {
  // 256 values that begin anywhere in a chunk of 16 bytes.
  static constexpr unsigned chunks = bitmap_warp_outputs * sizeof(T) / 16 + 1;
  uint4 chunk[bitmap_flight][chunks];
};

template <class T>
__device__ float value_of(T v) {
  if constexpr (std::same_as<T, std::int8_t>)
    return static_cast<float>(v);
  else if constexpr (std::same_as<T, half>)
    return widen_half(v.bits);
  else
    return widen(v);
}

// part: channels of a block. Grid: [tiles from that of `which.first` on, splits]. Outputs
// [which.first, which.last) are stored.
template <class T, int Tokens, class S>
static __global__ void __launch_bounds__(bitmap_warps * 32, 1)
    bitmap_kernel(const __grid_constant__ bitmap_weight<T> w,
                  const __grid_constant__ section<S> which,
                  const __grid_constant__ token_batch batch, unsigned part, float* partial,
                  unsigned* tickets) {
  __shared__ bitmap_values<T> staged[bitmap_warps];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned tile = static_cast<unsigned>(which.first / bitmap_tile) + blockIdx.x;
  const unsigned words = static_cast<unsigned>(w.words());
  const unsigned first_word =
      min((tile * bitmap_tile + warp * bitmap_warp_outputs) / 64, words);  // of this warp
  const unsigned my_word = first_word + lane / 8;
  // Of the warp's outputs, by channel: where its values end, and begin but for the first.
  const unsigned counted = first_word / static_cast<unsigned>(counted_words);
  const std::uint32_t* const ends = w.ends + std::size_t{counted} * w.shape.inputs;
  const unsigned begin = blockIdx.y * part;
  const unsigned end = min(begin + part, static_cast<unsigned>(w.shape.inputs));

  float total[Tokens][8] = {};
  for (unsigned c0 = begin; c0 < end; c0 += 32) {
    const unsigned c = c0 + lane;
    std::uint32_t line = 0, value_end = 0, value_begin = 0;
    if (c < end && first_word < words) {
      line = __ldg(w.begins + c);
      value_end = __ldg(ends + c);
      if (counted != 0) value_begin = __ldg(ends + c - w.shape.inputs);
    }
    float x[Tokens];
    std::uint32_t active = 0;
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t) {
      const float v = t < batch.tokens && c < end ? batch.x[t * batch.x_stride + c] : 0.0f;
      const bool keeps = t < batch.tokens && c < end && which.keep.keeps(v, c);
      x[t] = keeps ? v : 0.0f;
      active |= __ballot_sync(~0u, keeps);
    }
    while (active != 0) {
      constexpr unsigned reads = bitmap_values<T>::chunks / 32 + 1;  // of a lane, a channel
      unsigned at[bitmap_flight], offset[bitmap_flight], chunks[bitmap_flight];
      std::uint32_t bits[bitmap_flight];
      uint4 read[bitmap_flight][reads];
#pragma unroll
      for (unsigned u = 0; u < bitmap_flight; ++u) {
        at[u] = active != 0 ? static_cast<unsigned>(__ffs(static_cast<int>(active))) - 1 : 32;
        active &= active - 1;
        bits[u] = 0;
        offset[u] = chunks[u] = 0;
        if (at[u] == 32) continue;
        const std::byte* const channel =
            w.data + std::size_t{__shfl_sync(~0u, line, static_cast<int>(at[u]))} * 64;
        const unsigned before = __shfl_sync(~0u, value_begin, static_cast<int>(at[u]));
        const unsigned all = __shfl_sync(~0u, value_end, static_cast<int>(at[u])) - before;
        const std::uint64_t word =
            my_word < words ? __ldg(reinterpret_cast<const unsigned long long*>(channel) + my_word)
                            : 0;
        const unsigned shift = lane % 8 * 8;
        bits[u] = static_cast<std::uint32_t>(word >> shift) & 0xffu;
        const auto in_word = static_cast<unsigned>(__popcll(word));
        unsigned mine = static_cast<unsigned>(__popcll(word & ((std::uint64_t{1} << shift) - 1)));
#pragma unroll
        for (unsigned k = 0; k < 3; ++k) {
          const unsigned n = __shfl_sync(~0u, in_word, static_cast<int>(8 * k));
          if (k < lane / 8) mine += n;
        }
        const std::byte* const values =
            channel + std::size_t{words} * 8 + std::size_t{before} * sizeof(T);
        const auto misaligned =
            static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(values) % 16);
        const auto* const from = reinterpret_cast<const uint4*>(values - misaligned);
        if (all != 0) chunks[u] = (misaligned + all * static_cast<unsigned>(sizeof(T)) + 15) / 16;
        offset[u] = misaligned / static_cast<unsigned>(sizeof(T)) + mine;
#pragma unroll
        for (unsigned k = 0; k < reads; ++k)
          if (lane + 32 * k < chunks[u]) read[u][k] = __ldcs(from + lane + 32 * k);
      }
      // All channels' values are on their way before the first is waited for.
#pragma unroll
      for (unsigned u = 0; u < bitmap_flight; ++u)
#pragma unroll
        for (unsigned k = 0; k < reads; ++k)
          if (lane + 32 * k < chunks[u]) staged[warp].chunk[u][lane + 32 * k] = read[u][k];
      __syncwarp();
#pragma unroll
      for (unsigned u = 0; u < bitmap_flight; ++u) {
        if (at[u] == 32) break;
        const T* value = reinterpret_cast<const T*>(staged[warp].chunk[u]) + offset[u];
        float weight[8];
#pragma unroll
        for (unsigned j = 0; j < 8; ++j)
          weight[j] = (bits[u] >> j & 1u) != 0 ? value_of(*value++) : 0.0f;
#pragma unroll
        for (unsigned t = 0; t < Tokens; ++t) {
          const float a = __shfl_sync(~0u, x[t], static_cast<int>(at[u]));
#pragma unroll
          for (unsigned j = 0; j < 8; ++j)
            if ((bits[u] >> j & 1u) != 0) total[t][j] = fmaf(weight[j], a, total[t][j]);
        }
      }
      __syncwarp();
    }
  }

  const split_sums<bitmap_tile, 1, 4> splits(partial, tickets, batch.tokens);
  const auto store = [&](unsigned t, unsigned i, const float (&sum)[1]) {
    const unsigned o = tile * bitmap_tile + i;
    if (o < which.first || o >= which.last) return;
    batch.y[t * batch.y_stride + o] = w.scales != nullptr ? sum[0] * w.scales[o] : sum[0];
  };
#pragma unroll
  for (unsigned t = 0; t < Tokens; ++t) {
    if (t >= batch.tokens) break;
#pragma unroll
    for (unsigned j = 0; j < 8; ++j)
      splits.keep(t, warp * bitmap_warp_outputs + lane * 8 + j, {total[t][j]}, store);
  }
  splits.add(store);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
