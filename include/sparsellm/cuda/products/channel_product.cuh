// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches the channel kernel: which lanes read a format, how many tokens share a reading of the
// weights, how channels are cut. The cut depends on the shape and the format alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
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
#include "sparsellm/cuda/products/ranges.cuh"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <class Lane>
[[nodiscard]] unsigned channel_tiles(const typename Lane::weight& w) {
  return (Lane::lanes(w) + 31) / 32;
}
[[nodiscard]] inline unsigned channel_splits(std::size_t inputs, unsigned part) {
  const unsigned block = channel_warps * part;
  return static_cast<unsigned>((inputs + block - 1) / block);
}
// Channels of a warp's part: as many as leave blocks enough with a format's widest lanes. Part of
// the results' bits, so the lanes of a product do not enter.
template <class Wide>
[[nodiscard]] unsigned channel_part(const typename Wide::weight& w) {
  unsigned part = longest_part;
  while (part > 32 && channel_tiles<Wide>(w) * channel_splits(w.shape.inputs, part) < blocks_wanted)
    part /= 2;
  return part;
}
// Of parts of so many channels. Throws shape_error for rows that 32 bits do not reach.
template <class Lane>
[[nodiscard]] dim3 channel_grid(const typename Lane::weight& w, unsigned part) {
  const dim3 grid(channel_tiles<Lane>(w), channel_splits(w.shape.inputs, part));
  check_splits(grid);
  require<shape_error>(
      Lane::part_bytes(w, longest_part) < std::size_t{1} << 32, "cuda::multiply: ", longest_part,
      " channels of less than 4 GiB expected, got a weight of ", w.shape.outputs, " outputs");
  return grid;
}
// Bytes of the sums that the splits leave.
template <class Lane>
[[nodiscard]] std::size_t channel_scratch(const typename Lane::weight& w, unsigned part,
                                          std::size_t tokens) {
  return split_bytes(channel_grid<Lane>(w, part), tokens, 32 * Lane::outputs);
}

template <class Lane, int Tokens, class Tile, class S>
void launch_channels(cuda::executor& exec, const typename Lane::weight& w, unsigned part,
                     const section_list<S>& sections, const token_batch& batch) {
  auto* const partial =
      reinterpret_cast<float*>(exec.scratch(channel_scratch<Lane>(w, part, batch.tokens)));
  dim3 grid = channel_grid<Lane>(w, part);
  constexpr unsigned span = 32 * Lane::outputs / Tile::width;
  for_each_range<span, Tile::width>(
      w.shape.outputs, sections,
      [&](const section_list<S>& here, std::size_t first, std::size_t last) {
        const channel_cut cut{part, static_cast<unsigned>(first / span),
                              static_cast<unsigned>(first), static_cast<unsigned>(last)};
        grid.x = static_cast<unsigned>((last + span - 1) / span) - cut.first_tile;
        channel_kernel<Lane, Tokens, S, Tile><<<grid, channel_warps * 32, 0, exec.stream()>>>(
            w, here, batch, cut, partial, exec.tickets());
        cuda::check(cudaGetLastError(), "cuda::multiply: launch");
      });
}

// Wide lanes for one token where these leave blocks enough, else narrow ones, which also up to Most
// tokens have that share a reading of the weights: what the registers of a lane hold the sums of.
// Tile::width outputs of the weight make one of y.
template <class Wide, class Narrow, unsigned Most, class Tile, class S>
void channel_product(cuda::executor& exec, const typename Wide::weight& w,
                     const section_list<S>& sections, matrix_view<const float, device_space> x,
                     matrix_view<float, device_space> y) {
  const unsigned part = channel_part<Wide>(w);
  const dim3 wide = channel_grid<Wide>(w, part);
  in_batches<Most>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    if constexpr (tokens() == 1) {
      if (std::is_same_v<Wide, Narrow> || wide.x * wide.y >= blocks_wanted)
        return launch_channels<Wide, 1, Tile>(exec, w, part, sections, batch);
    }
    launch_channels<Narrow, tokens(), Tile>(exec, w, part, sections, batch);
  });
}

// Blocks of one token's product in one section.
template <class Wide, class Narrow>
[[nodiscard]] unsigned channel_product_blocks(const typename Wide::weight& w) {
  const unsigned part = channel_part<Wide>(w);
  const dim3 wide = channel_grid<Wide>(w, part), narrow = channel_grid<Narrow>(w, part);
  return wide.x * wide.y >= blocks_wanted ? wide.x * wide.y : narrow.x * narrow.y;
}
template <class Wide, class Narrow, unsigned Most>
[[nodiscard]] std::size_t channel_product_scratch(const typename Wide::weight& w,
                                                  std::size_t tokens) {
  const unsigned part = channel_part<Wide>(w);
  return std::max(channel_scratch<Wide>(w, part, 1),
                  channel_scratch<Narrow>(w, part, std::min<std::size_t>(tokens, Most)));
}

// The lanes of each format, and the scratch that a product of so many tokens takes at most.
template <class Tile, storage_scalar T, class S>
void product_of(cuda::executor& exec, const brick_weight<T>& w, const section_list<S>& sections,
                matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  channel_product<brick_lane<T>, brick_lane<T>, 8, Tile>(exec, w, sections, x, y);
}
template <storage_scalar T>
[[nodiscard]] unsigned blocks_of(const brick_weight<T>& w) {
  return channel_product_blocks<brick_lane<T>, brick_lane<T>>(w);
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
  channel_product<quantized_lane<Bits, Affine, 8>, quantized_lane<Bits, Affine, 4>,
                  Bits == 8 ? 8 : 4, Tile>(exec, w, sections, x, y);
}
template <int Bits, bool Affine>
[[nodiscard]] unsigned blocks_of(const quantized_weight<Bits, Affine>& w) {
  return channel_product_blocks<quantized_lane<Bits, Affine, 8>, quantized_lane<Bits, Affine, 4>>(
      w);
}
template <int Bits, bool Affine>
[[nodiscard]] std::size_t scratch_of(const quantized_weight<Bits, Affine>& w, std::size_t tokens) {
  return channel_product_scratch<quantized_lane<Bits, Affine, 8>, quantized_lane<Bits, Affine, 4>,
                                 Bits == 8 ? 8 : 4>(w, tokens);
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/channel_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
