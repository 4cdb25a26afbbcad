// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches the channel kernel: which lanes read a format, how many tokens share a reading of the
// weights, how channels are cut. The cut depends on the shape alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/products/batches.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/channel.cuh"
#include "sparsellm/cuda/kernels/lane.cuh"
#include "sparsellm/cuda/products/product_instance.cuh"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Tiles of outputs, splits of the channels.
template <class Lane>
[[nodiscard]] dim3 channel_grid(const typename Lane::weight& w) {
  const unsigned tiles = (Lane::lanes(w) + 31) / 32;
  const auto inputs = static_cast<unsigned>(w.shape.inputs);
  const unsigned parts = (inputs + channels_per_part - 1) / channels_per_part;
  const dim3 grid(tiles, (parts + channel_warps - 1) / channel_warps);
  check_splits(grid);
  return grid;
}
// Bytes of the sums that the splits leave.
template <class Lane>
[[nodiscard]] std::size_t channel_scratch(const typename Lane::weight& w, std::size_t tokens) {
  return split_bytes(channel_grid<Lane>(w), tokens, 32 * Lane::outputs);
}

template <class Lane, int Tokens, class Tile, class S>
void launch_channels(cuda::executor& exec, const typename Lane::weight& w,
                     const section_list<S>& sections, const token_batch& batch) {
  auto* const partial =
      reinterpret_cast<float*>(exec.scratch(channel_scratch<Lane>(w, batch.tokens)));
  channel_kernel<Lane, Tokens, S, Tile>
      <<<channel_grid<Lane>(w), channel_warps * 32, 0, exec.stream()>>>(w, sections, batch, partial,
                                                                        exec.tickets());
  cuda::check(cudaGetLastError(), "cuda::multiply: launch");
}

// Wide lanes for one token, narrow ones for up to Most that share a reading of the weights: what
// the registers of a lane hold the sums of. Tile::width outputs of the weight make one of y.
template <class Wide, class Narrow, unsigned Most, class Tile, class S>
void channel_product(cuda::executor& exec, const typename Wide::weight& w,
                     const section_list<S>& sections, matrix_view<const float, device_space> x,
                     matrix_view<float, device_space> y) {
  in_batches<Most>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    using lane = std::conditional_t<tokens() == 1, Wide, Narrow>;
    launch_channels<lane, tokens(), Tile>(exec, w, sections, batch);
  });
}

template <class Wide, class Narrow, unsigned Most>
[[nodiscard]] std::size_t channel_product_scratch(const typename Wide::weight& w,
                                                  std::size_t tokens) {
  const std::size_t batched =
      tokens == 1 ? 0 : channel_scratch<Narrow>(w, std::min<std::size_t>(tokens, Most));
  return std::max(channel_scratch<Wide>(w, 1), batched);
}

// The lanes of each format, and the scratch that a product of so many tokens takes at most.
template <class Tile, storage_scalar T, class S>
void product_of(cuda::executor& exec, const brick_weight<T>& w, const section_list<S>& sections,
                matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  channel_product<brick_lane<T>, brick_lane<T>, 8, Tile>(exec, w, sections, x, y);
}
template <storage_scalar T>
[[nodiscard]] std::size_t scratch_of(const brick_weight<T>& w, std::size_t tokens) {
  return channel_product_scratch<brick_lane<T>, brick_lane<T>, 8>(w, tokens);
}
template <class Tile, int Bits, bool Affine, class S>
void product_of(cuda::executor& exec, const quantized_weight<Bits, Affine>& w,
                const section_list<S>& sections, matrix_view<const float, device_space> x,
                matrix_view<float, device_space> y) {
  // Sums of a block and of the whole: twice the registers, so lanes are narrower in a batch.
  channel_product<quantized_lane<Bits, Affine, 16>, quantized_lane<Bits, Affine, 4>,
                  Bits == 8 ? 8 : 4, Tile>(exec, w, sections, x, y);
}
template <int Bits, bool Affine>
[[nodiscard]] std::size_t scratch_of(const quantized_weight<Bits, Affine>& w, std::size_t tokens) {
  return channel_product_scratch<quantized_lane<Bits, Affine, 16>, quantized_lane<Bits, Affine, 4>,
                                 Bits == 8 ? 8 : 4>(w, tokens);
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/channel_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
