// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches products on tensor cores: which tiles read a format, how many outputs and tokens a block
// has, how channels are split. The cut depends on the shape, the format and the number of tokens.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/arrange_tokens.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/tiled.cuh"
#include "sparsellm/cuda/products/batches.cuh"
#include "sparsellm/cuda/products/product_instance.cuh"
#include "sparsellm/cuda/products/tiles_of.cuh"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Few tokens are bound by memory: many outputs a block, and few blocks read a token. Many are bound
// by tensor cores: a warp with more of both reads shared memory less often.
using low_outputs = output_tile<8, 2>;     // 256 by 16
using middle_outputs = output_tile<4, 4>;  // 128 by 64
using high_outputs = output_tile<4, 8>;    // 128 by 128

// body(tile) with the tile for so many tokens.
template <class Body>
auto with_outputs(std::size_t tokens, const Body& body) {
  return with_tile<low_outputs, middle_outputs, high_outputs>(tokens, body);
}

// Blocks from which on channels are not split: two for each of an H100's 132 multiprocessors. A
// split has at least so many channels.
inline constexpr unsigned tiled_blocks_wanted = 264, least_split = 256;

// How outputs [first, last) of a product are cut.
template <class Tiles, class Tile>
struct tiled_cut {
  unsigned first_unit, output_tiles, padded, steps_each, splits;

  tiled_cut(std::size_t first, std::size_t last, std::size_t tokens, unsigned steps)
      : first_unit(static_cast<unsigned>(first / at_once * Tiles::units_at_once)),
        output_tiles(static_cast<unsigned>((last - first / at_once * at_once + Tile::outputs - 1) /
                                           Tile::outputs)),
        padded(static_cast<unsigned>((tokens + Tile::tokens - 1) / Tile::tokens * Tile::tokens)) {
    const unsigned wanted = std::max(1u, tiled_blocks_wanted / tiles());
    steps_each = std::max((steps + wanted - 1) / wanted, std::min(least_steps, steps));
    splits = (steps + steps_each - 1) / steps_each;
  }
  [[nodiscard]] unsigned tiles() const { return output_tiles * (padded / Tile::tokens); }

  // Bytes of the sums that splits leave, at most: of any outputs, and of no more tokens.
  [[nodiscard]] std::size_t partial_bytes(unsigned steps) const {
    const unsigned most_splits = (steps + least_steps - 1) / least_steps;
    const std::size_t blocks =
        std::min<std::size_t>(tiled_blocks_wanted, std::size_t{most_splits} * tiles());
    return most_splits == 1 ? 0 : blocks * Tile::sums * tiled_threads * sizeof(float);
  }

 private:
  static constexpr std::size_t at_once = Tiles::units_at_once * unit_outputs;
  static constexpr unsigned least_steps = least_split / (segment_channels * Tiles::segments);
};

template <class W>
[[nodiscard]] unsigned tiled_steps(const W& w) {
  const unsigned channels = tiles_of<W>::channels(w);
  return (static_cast<unsigned>(w.shape.inputs) + channels - 1) / channels;
}

// Where in the product's memory things lie: the arranged activations are first, then their sums,
// and what splits leave.
struct tiled_memory {
  std::size_t sums_at, partial_at, bytes;
};
template <class Tile, class W>
[[nodiscard]] tiled_memory tiled_memory_of(const W& w, std::size_t tokens) {
  using tiles = typename tiles_of<W>::tiles;
  const auto rounded = [](std::size_t n) {
    return (n + cuda::workspace_alignment - 1) / cuda::workspace_alignment *
           cuda::workspace_alignment;
  };
  const unsigned steps = tiled_steps(w);
  const tiled_cut<tiles, Tile> cut(0, w.shape.outputs, tokens, steps);
  const std::size_t rows = std::size_t{steps} * cut.padded;
  tiled_memory at{};
  at.sums_at = rounded(rows * token_row_bytes<tiles>);
  at.partial_at = at.sums_at + rounded(tiles::affine ? rows * tiles::segments * sizeof(float) : 0);
  at.bytes = at.partial_at + cut.partial_bytes(steps);
  return at;
}
// The scratch that a product of 1 to `tokens` tokens takes at most.
template <class W>
[[nodiscard]] std::size_t tiled_scratch(const W& w, std::size_t tokens) {
  std::size_t most = 0;
  for (const std::size_t t :
       {std::size_t{low_outputs::tokens}, std::size_t{2 * middle_outputs::tokens}, most_arranged}) {
    most = std::max(most, with_outputs(std::min(t, tokens), [&](auto tile) {
                      return tiled_memory_of<decltype(tile)>(w, std::min(t, tokens)).bytes;
                    }));
    if (tokens <= t) break;
  }
  return most;
}

// What is known when the activations are arranged: outputs [first, last) of y [tokens, outputs] are
// stored.
struct tiled_job {
  std::byte* memory;
  tiled_memory at;
  float* y;
  std::size_t y_stride, first, last, tokens;
  unsigned steps;

  [[nodiscard]] float* sums() const { return reinterpret_cast<float*>(memory + at.sums_at); }
};

template <class Tiles, class Tile>
void launch_tiles(cuda::executor& exec, const typename Tiles::weight& w, const tiled_job& job) {
  const tiled_cut<Tiles, Tile> cut(job.first, job.last, job.tokens, job.steps);
  const unsigned shared = Tiles::stages * tiled_stage_bytes<Tiles, Tile>(w);
  const auto kernel = tiled_kernel<Tiles, Tile>;
  cuda::check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(shared)),
              "cuda::multiply: shared memory");
  const tiled_operands to{job.memory,
                          job.sums(),
                          job.y,
                          job.y_stride,
                          static_cast<unsigned>(job.tokens),
                          cut.padded,
                          static_cast<unsigned>(job.first),
                          static_cast<unsigned>(job.last),
                          cut.first_unit,
                          job.steps,
                          cut.steps_each,
                          reinterpret_cast<float4*>(job.memory + job.at.partial_at),
                          exec.tickets()};
  kernel<<<dim3(cut.tiles(), cut.splits), tiled_threads, shared, exec.stream()>>>(w, to);
  cuda::check(cudaGetLastError(), "cuda::multiply: launch");
}
// Knows no sparsifier, so that it is compiled once for all of them.
template <class Tiles>
void multiply_tiles(cuda::executor& exec, const typename Tiles::weight& w, const tiled_job& job) {
  with_outputs(job.tokens, [&](auto tile) { launch_tiles<Tiles, decltype(tile)>(exec, w, job); });
}

// `channels` of a step.
template <class Tiles, class S>
void arrange_tokens(cuda::executor& exec, const S& keep, unsigned channels, unsigned padded,
                    matrix_view<const float, device_space> x, const tiled_job& job) {
  const token_layout to{Tiles::order, channels, job.steps, Tiles::segments, Tiles::terms, padded};
  const unsigned chunks = job.steps * Tiles::segments * segment_chunks;
  arrange_tokens_kernel<typename Tiles::number>
      <<<dim3((chunks + arrange_threads - 1) / arrange_threads, padded), arrange_threads, 0,
         exec.stream()>>>(keep, x.data(), x.stride(), static_cast<unsigned>(x.rows()),
                          static_cast<unsigned>(x.cols()), to, reinterpret_cast<uint4*>(job.memory),
                          Tiles::affine ? job.sums() : nullptr);
  cuda::check(cudaGetLastError(), "cuda::multiply: launch");
}

// W: what kernels know of a weight. Activations are rounded to the weight's 16-bit type, or for
// levels to two bfloat16, 16 bits. Throws as check_shape().
template <class W, class S>
void tiled_product(cuda::executor& exec, const W& w, const section_list<S>& sections,
                   matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  using tiles = typename tiles_of<W>::tiles;
  check_shape(w.shape);
  std::byte* const memory = exec.scratch(tiled_scratch(w, x.rows()));
  const typename tiles::weight weight = tiles_of<W>::told(w);
  for (std::size_t t = 0; t < x.rows(); t += most_arranged) {
    const std::size_t tokens = std::min(x.rows() - t, most_arranged);
    const matrix_view<const float, device_space> from(x.data() + t * x.stride(), tokens, x.cols(),
                                                      x.stride());
    for (unsigned i = 0; i < sections.count; ++i) {
      const section<S>& s = sections.at[i];
      const auto [at, padded] = with_outputs(tokens, [&](auto tile) {
        constexpr unsigned each = decltype(tile)::tokens;
        return std::pair(tiled_memory_of<decltype(tile)>(w, tokens),
                         static_cast<unsigned>((tokens + each - 1) / each * each));
      });
      const tiled_job job{
          memory,        at, y.data() + t * y.stride(), y.stride(), s.first, s.last, tokens,
          tiled_steps(w)};
      // q, k and v have one sparsifier more often than not.
      if (!sections.repeats(i))
        arrange_tokens<tiles>(exec, s.keep, tiles_of<W>::channels(w), padded, from, job);
      multiply_tiles<tiles>(exec, weight, job);
    }
  }
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/tiled_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
