// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches the channel kernel: which lanes read a format, how many tokens share a reading of the
// weights, how channels are cut. The cut depends on the shape alone.
#pragma once

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

template <class Lane, int Tokens, class Tile, class S>
void launch_channels(cuda::executor& exec, const typename Lane::weight& w,
                     const section_list<S>& sections, const token_batch& batch) {
  const unsigned tiles = (Lane::lanes(w) + 31) / 32;
  const auto inputs = static_cast<unsigned>(w.shape.inputs);
  const unsigned parts = (inputs + channels_per_part - 1) / channels_per_part;
  const dim3 grid(tiles, (parts + channel_warps - 1) / channel_warps);
  const std::size_t sums =
      grid.y == 1 ? 0 : std::size_t{grid.x} * grid.y * batch.tokens * 32 * Lane::outputs;
  auto* const partial = reinterpret_cast<float*>(exec.scratch(sums * sizeof(float)));
  channel_kernel<Lane, Tokens, S, Tile><<<grid, channel_warps * 32, 0, exec.stream()>>>(
      w, sections, batch, partial, exec.tickets(tiles));
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

// The lanes of each format.
template <class Tile, storage_scalar T, class S>
void product_of(cuda::executor& exec, const brick_weight<T>& w, const section_list<S>& sections,
                matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  channel_product<brick_lane<T>, brick_lane<T>, 8, Tile>(exec, w, sections, x, y);
}
template <class Tile, int Bits, bool Affine, class S>
void product_of(cuda::executor& exec, const quantized_weight<Bits, Affine>& w,
                const section_list<S>& sections, matrix_view<const float, device_space> x,
                matrix_view<float, device_space> y) {
  // Sums of a block and of the whole: twice the registers, so lanes are narrower in a batch.
  channel_product<quantized_lane<Bits, Affine, 16>, quantized_lane<Bits, Affine, 4>,
                  Bits == 8 ? 8 : 4, Tile>(exec, w, sections, x, y);
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/channel_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
