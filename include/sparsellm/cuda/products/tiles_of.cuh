// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which tiles read a format, what these are told besides the weight, and which channels a step has.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"
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

// channels: of a step, neighbours. told(): what the tiles know of a weight.
template <class W>
struct tiles_of;

template <class Tiles>
struct plain_tiles_of {
  using tiles = Tiles;
  using weight = typename Tiles::weight;
  [[nodiscard]] static unsigned channels(const weight&) {
    return Tiles::segments * segment_channels;
  }
  [[nodiscard]] static const weight& told(const weight& w) { return w; }
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
  [[nodiscard]] static typename tiles::weight told(const row_weight<T>& w) {
    return {w, w.shape.inputs % 8 == 0 && reinterpret_cast<std::uintptr_t>(w.data) % 16 == 0};
  }
};
template <class T>
struct tiles_of<bitmap_weight<T>> : plain_tiles_of<bitmap_tiles<T>> {};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
