// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches the kernel of N:M weights that skips channels: once for each section, for its tiles
// alone.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/products/batches.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/bitmap.cuh"
#include "sparsellm/cuda/products/product_instance.cuh"
#include "sparsellm/cuda/products/ranges.cuh"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Channels of a block: as many as leave blocks enough, and no more than their sums are worth.
template <class T>
[[nodiscard]] unsigned bitmap_part(const bitmap_weight<T>& w) {
  const std::size_t tiles = (w.shape.outputs + bitmap_tile - 1) / bitmap_tile;
  unsigned part = longest_bitmap_part;
  while (part > shortest_bitmap_part &&
         tiles * ((w.shape.inputs + part - 1) / part) < blocks_wanted)
    part /= 2;
  return part;
}
// Tiles that outputs [first, last) lie in, splits of the channels.
template <class T>
[[nodiscard]] dim3 bitmap_grid(const bitmap_weight<T>& w, std::size_t first, std::size_t last) {
  const auto inputs = static_cast<unsigned>(w.shape.inputs);
  const unsigned part = bitmap_part(w);
  const dim3 grid(
      static_cast<unsigned>((last + bitmap_tile - 1) / bitmap_tile - first / bitmap_tile),
      (inputs + part - 1) / part);
  check_splits(grid);
  return grid;
}

template <class T, int Tokens, class S>
void launch_bitmap(cuda::executor& exec, const bitmap_weight<T>& w, const section<S>& s,
                   const token_batch& batch) {
  const dim3 grid = bitmap_grid(w, s.first, s.last);
  auto* const partial =
      reinterpret_cast<float*>(exec.scratch(split_bytes(grid, batch.tokens, bitmap_tile)));
  bitmap_kernel<T, Tokens, S><<<grid, bitmap_warps * 32, 0, exec.stream()>>>(
      w, s, batch, bitmap_part(w), partial, exec.tickets());
  cuda::check(cudaGetLastError(), "cuda::multiply: launch");
}

template <class T, class S>
void bitmap_product(cuda::executor& exec, const bitmap_weight<T>& w,
                    const section_list<S>& sections, matrix_view<const float, device_space> x,
                    matrix_view<float, device_space> y) {
  in_batches<8>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    for (unsigned i = 0; i < sections.count; ++i)
      launch_bitmap<T, tokens()>(exec, w, sections.at[i], batch);
  });
}

// Blocks of one token's product in one section.
template <class T>
[[nodiscard]] unsigned blocks_of(const bitmap_weight<T>& w) {
  const dim3 grid = bitmap_grid(w, 0, w.shape.outputs);
  return grid.x * grid.y;
}
// The scratch that a product of so many tokens takes at most: one section has all tiles.
template <class T>
[[nodiscard]] std::size_t scratch_of(const bitmap_weight<T>& w, std::size_t tokens) {
  return split_bytes(bitmap_grid(w, 0, w.shape.outputs), std::min<std::size_t>(tokens, 8),
                     bitmap_tile);
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/bitmap_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
