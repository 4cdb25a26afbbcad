// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Cuts a batch into launches of up to Most tokens that share a reading of the weights, each with
// the number of tokens its kernel is compiled for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Throws shape_error for a weight that 31-bit indices do not reach.
inline void check_shape(extents shape) {
  require<shape_error>(shape.outputs <= 0x7fffffffu && shape.inputs <= 0x7fffffffu,
                       "cuda::multiply: at most 2^31 - 1 outputs and inputs, got ", shape.outputs,
                       "x", shape.inputs);
}

// For tensor cores. A grid's second dimension has 65,535: more tokens take turns, of whole tiles.
inline constexpr std::size_t most_arranged = 32768;
// body(tile) with the tile for so many tokens.
template <class Low, class Middle, class High, class Body>
auto with_tile(std::size_t tokens, const Body& body) {
  if (tokens <= Low::tokens) return body(Low{});
  if (tokens <= 2 * Middle::tokens) return body(Middle{});
  return body(High{});
}

// A grid [tiles, splits] of blocks that add their sums (split_sums). Throws shape_error for more
// than a grid has or there are tickets for.
inline void check_splits(dim3 grid) {
  require<shape_error>(grid.y == 1 || (grid.x <= cuda::executor::most_tickets && grid.y <= 65535),
                       "cuda::multiply: at most ", cuda::executor::most_tickets,
                       " tiles of outputs and 65,535 parts of the channels, got ", grid.x, " and ",
                       grid.y);
}
// Bytes of the sums that the splits leave: `outputs` of a tile and a token.
[[nodiscard]] inline std::size_t split_bytes(dim3 grid, std::size_t tokens, std::size_t outputs) {
  return grid.y == 1 ? 0 : std::size_t{grid.x} * grid.y * tokens * outputs * sizeof(float);
}

// launch(batch, integral_constant<int, tokens>): 1, 2, 4 or 8, at least as many as the batch has.
// Throws as check_shape().
template <unsigned Most, class Launch>
void in_batches(extents shape, matrix_view<const float, device_space> x,
                matrix_view<float, device_space> y, const Launch& launch) {
  static_assert(Most == 4 || Most == 8);
  check_shape(shape);
  for (std::size_t t = 0; t < x.rows();) {
    const std::size_t rows = std::min<std::size_t>(x.rows() - t, Most);
    const token_batch batch{x.data() + t * x.stride(), x.stride(), y.data() + t * y.stride(),
                            y.stride(), static_cast<unsigned>(rows)};
    if (rows == 1)
      launch(batch, std::integral_constant<int, 1>{});
    else if (rows == 2)
      launch(batch, std::integral_constant<int, 2>{});
    else if (rows <= 4)
      launch(batch, std::integral_constant<int, 4>{});
    else
      launch(batch, std::integral_constant<int, Most>{});
    t += rows;
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
