// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Dense and quantised weights packed on the device, to the host's bytes. Speed matters little here:
// a weight is packed once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/prune.cuh"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/pack/row_major.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned pack_threads = 256;

// W [outputs, inputs] as it is given.
template <storage_scalar U>
struct given_weight {
  const U* data;
  std::size_t stride;
  extents shape;
  [[nodiscard]] __device__ float at(std::size_t r, std::size_t c) const {
    return widen(data[r * stride + c]);
  }
};

// Element i of the weight in row-major order, a thread each; the first that F does not store.
template <class F, storage_scalar U>
static __global__ void check_weights_kernel(given_weight<U> w, first_wrong* wrong) {
  const std::size_t i = std::size_t{blockIdx.x} * pack_threads + threadIdx.x;
  if (i >= w.shape.outputs * w.shape.inputs) return;
  if (!F::stores(w.at(i / w.shape.inputs, i % w.shape.inputs)))
    atomicMin(wrong, static_cast<first_wrong>(i));
}

template <storage_scalar T, storage_scalar U>
static __global__ void pack_rows_kernel(given_weight<U> w, T* to) {
  const std::size_t i = std::size_t{blockIdx.x} * pack_threads + threadIdx.x;
  if (i >= w.shape.outputs * w.shape.inputs) return;
  to[i] = narrow<T>(w.at(i / w.shape.inputs, i % w.shape.inputs));
}

// A warp a brick, a thread an output of it; outputs that pad the last strip become zero.
template <storage_scalar T, storage_scalar U>
static __global__ void pack_bricks_kernel(given_weight<U> w, brick_weight<T> to) {
  const std::size_t i = std::size_t{blockIdx.x} * pack_threads + threadIdx.x;
  const std::size_t brick = i / brick_outputs, o = i % brick_outputs;
  if (brick >= to.strips() * w.shape.inputs) return;
  const std::size_t s = brick / w.shape.inputs, c = brick % w.shape.inputs;
  const std::size_t r = s * brick_outputs + o;
  const_cast<T*>(to.brick(s, c))[slot_in_brick<T>(o)] =
      narrow<T>(r < w.shape.outputs ? w.at(r, c) : 0.0f);
}

// 64 threads a strip's block of channels, one a byte of its channels' levels: one output of 8 bits
// or two of 4. The storage is zeroed before.
template <quantized_element Q, storage_scalar U>
static __global__ void pack_levels_kernel(given_weight<U> w,
                                          quantized_weight<Q::bits, Q::affine> to) {
  const std::size_t i = std::size_t{blockIdx.x} * pack_threads + threadIdx.x;
  const std::size_t at = i / strip_bytes, s = at / to.blocks(), b = at % to.blocks();
  if (s >= to.strips()) return;
  const std::size_t c0 = b * Q::block_channels;
  const std::size_t left = w.shape.inputs - c0;
  const std::size_t n = left < Q::block_channels ? left : Q::block_channels;
  auto* const levels = const_cast<std::uint8_t*>(to.levels(s, b)) + byte_of_output(i % strip_bytes);
  for (std::size_t o = i % strip_bytes; o < strip_outputs<Q::bits>; o += strip_bytes) {
    const std::size_t r = s * strip_outputs<Q::bits> + o;
    if (r >= w.shape.outputs) return;
    float row[Q::block_channels];
    std::uint8_t level[Q::block_channels];
    for (std::size_t c = 0; c < n; ++c) row[c] = w.at(r, c0 + c);
    half scale{}, minimum{};
    quantize_block<Q>(row, n, level, scale, minimum);
    const_cast<half*>(to.scales(s, b))[o] = scale;
    if constexpr (Q::affine) const_cast<half*>(to.minima(s, b))[o] = minimum;
    for (std::size_t c = 0; c < n; ++c)
      levels[c * to.channel_stride] |=
          static_cast<std::uint8_t>(level[c] << (o < strip_bytes ? 0 : 4));
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
