// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which tiles read a format, what these are told besides the weight, and which channels a step has.
#pragma once

#include <cuda_runtime_api.h>

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/tiles/bitmap_tiles.cuh"
#include "sparsellm/cuda/kernels/tiles/brick_tiles.cuh"
#include "sparsellm/cuda/kernels/tiles/level_tiles.cuh"
#include "sparsellm/cuda/kernels/tiles/nm_tiles.cuh"
#include "sparsellm/cuda/kernels/tiles/row_tiles.cuh"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/nm_weight.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/pack/row_major.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// channels: of a step, neighbours. prepared_bytes(): of memory that lives as long as the product;
// prepare() fills it in stream order.
template <class W>
struct tiles_of;

template <class Tiles>
struct plain_tiles_of {
  using tiles = Tiles;
  using weight = typename Tiles::weight;
  [[nodiscard]] static unsigned channels(const weight&) {
    return Tiles::segments * segment_channels;
  }
  [[nodiscard]] static std::size_t prepared_bytes(const weight&) { return 0; }
  [[nodiscard]] static const weight& prepare(cuda::executor&, const weight& w, std::byte*) {
    return w;
  }
};
template <storage_scalar T>
struct tiles_of<brick_weight<T>> : plain_tiles_of<brick_tiles<T>> {};
template <int Bits, bool Affine>
struct tiles_of<quantized_weight<Bits, Affine>> : plain_tiles_of<level_tiles<Bits, Affine>> {};
template <class T>
struct tiles_of<nm_weight<T>> : plain_tiles_of<nm_tiles<T>> {
  [[nodiscard]] static unsigned channels(const nm_weight<T>& w) {
    return static_cast<unsigned>(w.span);
  }
};
template <storage_scalar T>
struct tiles_of<row_weight<T>> {
  using tiles = row_tiles<T>;
  [[nodiscard]] static unsigned channels(const row_weight<T>&) {
    return tiles::segments * segment_channels;
  }
  [[nodiscard]] static std::size_t prepared_bytes(const row_weight<T>&) { return 0; }
  [[nodiscard]] static typename tiles::weight prepare(cuda::executor&, const row_weight<T>& w,
                                                      std::byte*) {
    return {w, w.shape.inputs % 8 == 0 && reinterpret_cast<std::uintptr_t>(w.data) % 16 == 0};
  }
};
template <class T>
struct tiles_of<bitmap_weight<T>> {
  using tiles = bitmap_tiles<T>;
  [[nodiscard]] static unsigned channels(const bitmap_weight<T>&) {
    return tiles::segments * segment_channels;
  }
  [[nodiscard]] static std::size_t prepared_bytes(const bitmap_weight<T>& w) {
    const std::size_t rows = (w.shape.outputs + counted_outputs - 1) / counted_outputs;
    return rows * w.shape.inputs * sizeof(std::uint32_t);
  }
  [[nodiscard]] static typename tiles::weight prepare(cuda::executor& exec,
                                                      const bitmap_weight<T>& w,
                                                      std::byte* memory) {
    auto* const before = reinterpret_cast<std::uint32_t*>(memory);
    constexpr std::size_t each = count_threads / 32;
    count_bits_kernel<T><<<static_cast<unsigned>((w.shape.inputs + each - 1) / each), count_threads,
                           0, exec.stream()>>>(w, before);
    cuda::check(cudaGetLastError(), "cuda::multiply: launch");
    return {w, before};
  }
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
