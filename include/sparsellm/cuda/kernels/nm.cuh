// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// y = W · s(x) for N:M weights and few tokens, as fast as the kept values and their mask can be
// read. A warp takes a cell of 64 channels of a strip of 8 outputs at once: four lanes an output,
// 16 channels a lane, so that a strip's cell is one contiguous load of the warp and a mask of 16
// bits a lane. The eight warps of a thread block have an eighth of the channels each and are added
// in order.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/words.cuh"
#include "sparsellm/pack/nm_weight.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned nm_warps = 8;
inline constexpr unsigned lane_channels = 16;

// What a lane holds of one strip's cell: 16 channels of one output.
template <class F>
struct nm_lane {
  using T = typename F::element;
  static constexpr unsigned values = 2 * F::eight_values;
  // Whether every lane's values begin at a known place and fill whole words.
  static constexpr bool even = F::eight_values != 0 && values * sizeof(T) % 4 == 0;
  static constexpr unsigned words = even ? values * sizeof(T) / 4 : 1;

  std::uint32_t bits;
  std::uint32_t word[words];
  const T* rest;  // where the lane's values begin, unless `even`

  // nm_weight::cell_bytes() of F.
  static constexpr std::size_t cell_bytes =
      nm_strip_outputs * (sizeof(std::uint64_t) + F::values_per_output * sizeof(T));

  // cell: where one of a strip begins.
  __device__ void load(const std::byte* cell, unsigned lane) {
    const auto* const masks = reinterpret_cast<const std::uint64_t*>(cell);
    bits = __ldcs(reinterpret_cast<const unsigned short*>(masks) + lane);
    const T* const row =
        reinterpret_cast<const T*>(masks + nm_strip_outputs) + lane / 4 * F::values_per_output;
    if constexpr (even) {
      load_words<words>(row + lane % 4 * values, word);
    } else {
      const std::uint64_t below = (std::uint64_t{1} << lane % 4 * lane_channels) - 1;
      rest = row + __popcll(masks[lane / 4] & below);
    }
  }
  // Value k of the lane, k < values.
  [[nodiscard]] __device__ float value(unsigned k) const {
    if constexpr (!even) {
      if constexpr (std::same_as<T, std::int8_t>)
        return static_cast<float>(rest[k]);
      else
        return widen(rest[k]);
    } else if constexpr (std::same_as<T, float>) {
      return __uint_as_float(word[k]);
    } else if constexpr (std::same_as<T, std::int8_t>) {
      return byte_to_float(word[k / 4] ^ 0x80808080u, k % 4) - 128.0f;
    } else {
      const std::uint32_t pair = word[k / 2];
      if constexpr (std::same_as<T, bfloat16>)
        return __uint_as_float(k % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
      else
        return widen_half(k % 2 == 0 ? pair & 0xffffu : pair >> 16);
    }
  }
};

// What a sparsifier says of a lane's channels: the i-th is c0 + i, and `inside` of them are inputs.
// Of others it is not asked, or says what does not matter.
template <class S>
struct lane_keeps {
  const S& keep;
  unsigned c0;
  int inside;
  [[nodiscard]] __device__ bool operator()(float x, int i) const {
    return i < inside && keep.keeps(x, c0 + static_cast<unsigned>(i));
  }
};
// The library's own, with one address for all channels and a load in place of a branch.
template <>
struct lane_keeps<threshold> {
  const float* scale;
  above select;
  int scaled;
  __device__ lane_keeps(const threshold& keep, unsigned c0, int inside)
      : scale(keep.score.scale == nullptr ? nullptr : keep.score.scale + c0),
        select(keep.select),
        scaled(keep.score.scale == nullptr ? 0 : inside) {}
  [[nodiscard]] __device__ bool operator()(float x, int i) const {
    return select.keeps(i < scaled ? fabsf(x) * scale[i] : fabsf(x));
  }
};

// The lane's 16 channels from c0 on, as the sparsifier leaves them; aligned: x begins at whole 16
// bytes.
template <class S>
__device__ void load_activations(const S& keep, const float* x, unsigned c0, unsigned inputs,
                                 bool aligned, float (&a)[lane_channels]) {
  const int left = static_cast<int>(inputs - c0);
  if (aligned && left >= static_cast<int>(lane_channels)) {
#pragma unroll
    for (unsigned i = 0; i < lane_channels; i += 4) {
      const float4 v = __ldg(reinterpret_cast<const float4*>(x + c0 + i));
      a[i] = v.x, a[i + 1] = v.y, a[i + 2] = v.z, a[i + 3] = v.w;
    }
  } else {
#pragma unroll
    for (int i = 0; i < static_cast<int>(lane_channels); ++i)
      a[i] = i < left ? __ldg(x + c0 + i) : 0.0f;
  }
  const lane_keeps<S> keeps{keep, c0, left};
#pragma unroll
  for (int i = 0; i < static_cast<int>(lane_channels); ++i) a[i] = keeps(a[i], i) ? a[i] : 0.0f;
}

// sum + the lane's dot product; a: its activations. 2:4 chooses among registers: of four channels
// the first kept is 0, 1 or 2 and the second 1, 2 or 3.
template <class F>
__device__ float dot_two_of_four(const nm_lane<F>& w, const float (&a)[lane_channels], float sum) {
#pragma unroll
  for (unsigned g = 0; g < lane_channels / 4; ++g) {
    const std::uint32_t bits = w.bits >> 4 * g;
    const float first = (bits & 1u) != 0   ? a[4 * g]
                        : (bits & 2u) != 0 ? a[4 * g + 1]
                                           : a[4 * g + 2];
    const float second = (bits & 8u) != 0   ? a[4 * g + 3]
                         : (bits & 4u) != 0 ? a[4 * g + 2]
                                            : a[4 * g + 1];
    sum = fmaf(w.value(2 * g), first, sum);
    sum = fmaf(w.value(2 * g + 1), second, sum);
  }
  return sum;
}

// The same for any N:M: kept channels are looked up where x lies.
template <class F, class S>
__device__ float dot_any(const nm_lane<F>& w, const S& keep, const float* x, unsigned c0,
                         unsigned inputs, float sum) {
  std::uint32_t bits = w.bits;
  const auto add = [&](unsigned k) {
    const unsigned c = c0 + static_cast<unsigned>(__ffs(static_cast<int>(bits))) - 1;
    bits &= bits - 1;
    const float v = c < inputs ? __ldg(x + c) : 0.0f;
    sum = fmaf(w.value(k), keep.keeps(v, min(c, inputs - 1)) ? v : 0.0f, sum);
  };
  if constexpr (nm_lane<F>::even) {
#pragma unroll
    for (unsigned k = 0; k < nm_lane<F>::values; ++k) add(k);
  } else {
    for (unsigned k = 0; bits != 0; ++k) add(k);
  }
  return sum;
}

// Blocks that a multiprocessor is to hold: one token's sums leave room for several, unless four
// strips of floats are in registers twice.
template <class F, int Tokens, int Strips>
inline constexpr unsigned nm_blocks_wanted = Tokens != 1                        ? 1
                                             : Strips == 1                      ? 3
                                             : sizeof(typename F::element) == 4 ? 1
                                                                                : 2;

// Outputs [first, last), whose blocks have one section each. Grid: [strips / Strips].
template <class F, int Tokens, int Strips, class S>
static __global__ void __launch_bounds__(nm_warps * 32, nm_blocks_wanted<F, Tokens, Strips>)
    nm_kernel(const __grid_constant__ nm_weight<typename F::element> w,
              const __grid_constant__ section_list<S> sections,
              const __grid_constant__ token_batch batch, unsigned first, unsigned last) {
  using lane_type = nm_lane<F>;
  constexpr bool two_of_four = F::pattern.n == 2 && F::pattern.m == 4;
  constexpr auto outputs_of_strip = static_cast<unsigned>(nm_strip_outputs);
  constexpr auto span = static_cast<unsigned>(F::span);  // w's, known here
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const auto inputs = static_cast<unsigned>(w.shape.inputs);
  const unsigned cells = (inputs + span - 1) / span;
  const unsigned strips =
      (static_cast<unsigned>(w.shape.outputs) + outputs_of_strip - 1) / outputs_of_strip;
  const unsigned part = (cells + nm_warps - 1) / nm_warps;
  const unsigned begin = min(warp * part, cells), end = min(begin + part, cells);
  const unsigned strip0 = first / outputs_of_strip + blockIdx.x * Strips;
  const S& keep = sections.at[sections.of(max(strip0 * outputs_of_strip, first))].keep;
  const bool aligned =
      reinterpret_cast<std::uintptr_t>(batch.x) % 16 == 0 && batch.x_stride % 4 == 0;

  float sum[Tokens][Strips] = {};
  // Strips behind the last read it again; their outputs are not stored.
  const std::byte* cell[Strips];
#pragma unroll
  for (unsigned s = 0; s < Strips; ++s)
    cell[s] =
        w.data + (std::size_t{min(strip0 + s, strips - 1)} * cells + begin) * lane_type::cell_bytes;
  const auto load = [&](lane_type(&to)[Strips]) {
#pragma unroll
    for (unsigned s = 0; s < Strips; ++s) {
      to[s].load(cell[s], lane);
      cell[s] += lane_type::cell_bytes;
    }
  };
  const auto multiply = [&](const lane_type(&from)[Strips], unsigned b) {
    const unsigned c0 = b * span + lane % 4 * lane_channels;
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t) {
      if (t >= batch.tokens) break;
      const float* const x = batch.x + t * batch.x_stride;
      if constexpr (two_of_four) {
        float a[lane_channels];
        load_activations(keep, x, c0, inputs, aligned, a);
#pragma unroll
        for (unsigned s = 0; s < Strips; ++s) sum[t][s] = dot_two_of_four<F>(from[s], a, sum[t][s]);
      } else {
#pragma unroll
        for (unsigned s = 0; s < Strips; ++s)
          sum[t][s] = dot_any<F>(from[s], keep, x, c0, inputs, sum[t][s]);
      }
    }
  };
  lane_type even[Strips], odd[Strips];  // one on its way while the other is multiplied
  if (begin < end) load(even);
#pragma unroll 1
  for (unsigned b = begin; b < end; b += 2) {
    if (b + 1 < end) load(odd);
    multiply(even, b);
    if (b + 1 >= end) break;
    if (b + 2 < end) load(even);
    multiply(odd, b + 1);
  }

  __shared__ float sums[nm_warps][Tokens][Strips * nm_strip_outputs];
#pragma unroll
  for (unsigned t = 0; t < Tokens; ++t)
#pragma unroll
    for (unsigned s = 0; s < Strips; ++s) {
      float row = sum[t][s];
      row += __shfl_xor_sync(~0u, row, 1);
      row += __shfl_xor_sync(~0u, row, 2);
      if (lane % 4 == 0) sums[warp][t][s * nm_strip_outputs + lane / 4] = row;
    }
  __syncthreads();
  constexpr unsigned rows = Strips * nm_strip_outputs;
  for (unsigned i = threadIdx.x; i < Tokens * rows; i += nm_warps * 32) {
    const unsigned t = i / rows, o = strip0 * static_cast<unsigned>(nm_strip_outputs) + i % rows;
    if (t >= batch.tokens || o < first || o >= last) continue;
    float row = 0;
#pragma unroll
    for (unsigned k = 0; k < nm_warps; ++k) row += sums[k][t][i % rows];
    if constexpr (F::has_scales) row *= w.scales[o];
    batch.y[t * batch.y_stride + o] = row;
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
