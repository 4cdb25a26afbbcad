// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Batches of 2:4 weights of 16 bits on sparse tensor cores: which tile a number of tokens takes.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/semi_structured.cuh"
#include "sparsellm/cuda/products/batches.cuh"
#include "sparsellm/cuda/products/product_instance.cuh"
#include "sparsellm/pack/nm_weight.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Few tokens are bound by memory: low tiles leave more blocks. Many are bound by tensor cores: 64 x
// 64 a warp reads shared memory half as long as it multiplies.
using low_tile = mma_tile<64, 16, 4, 1, 4>;
using middle_tile = mma_tile<64, 64, 2, 2, 4>;
using high_tile = mma_tile<128, 128, 2, 2, 3>;

// Of the arranged activations.
template <class Tile, storage_scalar T>
[[nodiscard]] std::size_t arranged_bytes(const nm_weight<T>& w, std::size_t tokens) {
  return (tokens + Tile::tokens - 1) / Tile::tokens * Tile::tokens * w.cells() * token_cell_bytes;
}

template <storage_scalar T, class Tile, class S>
void arrange_semi_structured(cuda::executor& exec, const nm_weight<T>& w, const S& keep,
                             matrix_view<const float, device_space> x, std::byte* arranged) {
  const auto tokens = static_cast<unsigned>(x.rows());
  const unsigned tiles_n = (tokens + Tile::tokens - 1) / Tile::tokens;
  const unsigned fours = static_cast<unsigned>(w.cells()) * 16;
  arrange_kernel<T><<<dim3((fours + 127) / 128, tiles_n * Tile::tokens), 128, 0, exec.stream()>>>(
      keep, x.data(), x.stride(), tokens, static_cast<unsigned>(w.shape.inputs), fours,
      reinterpret_cast<uint2*>(arranged));
  cuda::check(cudaGetLastError(), "cuda::multiply: launch");
}
// Knows no sparsifier, so that it is compiled once for all of them. Outputs [first, last).
template <storage_scalar T, class Tile>
void launch_semi_structured(cuda::executor& exec, const nm_weight<T>& w, const std::byte* arranged,
                            std::size_t first_output, std::size_t last_output,
                            matrix_view<float, device_space> y) {
  const auto tokens = static_cast<unsigned>(y.rows());
  const unsigned tiles_n = (tokens + Tile::tokens - 1) / Tile::tokens;
  constexpr unsigned shared = Tile::stages * stage_bytes<Tile>;
  const auto kernel = semi_structured_kernel<T, Tile>;
  cuda::check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(shared)),
              "cuda::multiply: shared memory");
  const auto first = static_cast<unsigned>(first_output), last = static_cast<unsigned>(last_output);
  const unsigned rows = last - first / 8 * 8;
  const dim3 grid((rows + Tile::rows - 1) / Tile::rows, tiles_n);
  kernel<<<grid, mma_threads, shared, exec.stream()>>>(
      w, mma_operands{arranged, y.data(), y.stride(), tokens, first, last});
  cuda::check(cudaGetLastError(), "cuda::multiply: launch");
}

// body(tile) with the tile for so many tokens.
template <class Body>
auto with_rows(std::size_t tokens, const Body& body) {
  return with_tile<low_tile, middle_tile, high_tile>(tokens, body);
}

// The scratch that a product of so many tokens takes.
template <storage_scalar T>
[[nodiscard]] std::size_t semi_structured_scratch(const nm_weight<T>& w, std::size_t tokens) {
  return with_rows(tokens, [&](auto tile) { return arranged_bytes<decltype(tile)>(w, tokens); });
}

// Activations are rounded to T. Throws shape_error for weights of 64 GiB and more, whose chunks 32
// bits do not number.
template <storage_scalar T, class S>
void semi_structured_product(cuda::executor& exec, const nm_weight<T>& w,
                             const section_list<S>& sections,
                             matrix_view<const float, device_space> x,
                             matrix_view<float, device_space> y) {
  require<shape_error>(w.strips() * w.cells() * strip_cell_bytes < std::size_t{1} << 36,
                       "cuda::multiply: a 2:4 weight of less than 64 GiB expected, got ",
                       w.shape.outputs, "x", w.shape.inputs);
  std::byte* const arranged =
      exec.scratch(semi_structured_scratch(w, std::min(x.rows(), most_arranged)));
  for (std::size_t t = 0; t < x.rows(); t += most_arranged) {
    const std::size_t tokens = std::min(x.rows() - t, most_arranged);
    const matrix_view<const float, device_space> from(x.data() + t * x.stride(), tokens, x.cols(),
                                                      x.stride());
    const matrix_view<float, device_space> to(y.data() + t * y.stride(), tokens, y.cols(),
                                              y.stride());
    for (unsigned i = 0; i < sections.count; ++i)
      with_rows(tokens, [&](auto tile) {
        using Tile = decltype(tile);
        const section<S>& s = sections.at[i];
        if (!sections.repeats(i)) arrange_semi_structured<T, Tile>(exec, w, s.keep, from, arranged);
        launch_semi_structured<T, Tile>(exec, w, arranged, s.first, s.last, to);
      });
  }
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/semi_structured_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
