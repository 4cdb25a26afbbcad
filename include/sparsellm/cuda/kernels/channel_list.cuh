// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The channels of a warp's part that a product multiplies, listed in shared memory. A row of the
// list costs the loop over it a quarter of a load for its place and as much for each token's
// activation, where walking the bits of a ballot takes several instructions and a shuffle a token.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned longest_part = 128;              // channels of a warp: 32, 64 or 128
inline constexpr unsigned rows_in_flight = 4;              // read while as many are multiplied
inline constexpr unsigned list_stride = longest_part + 4;  // values of two halves in other banks

// What a warp reads of its part: where each row begins, in bytes from the part's, and what it is
// multiplied by for each token and half of the tile. Rows are listed in ascending order; a
// segment's, of 32 channels, or without scales the part's, are filled up to whole batches of
// rows_in_flight with its first one times 0.
template <int Width, int Tokens>
struct channel_list {
  std::uint32_t row[longest_part];
  struct segment {        // that has rows
    unsigned end;         // of its rows
    std::uint32_t scale;  // where its scales begin, as rows do
  } segments[longest_part / 32];
  float value[Tokens][Width][list_stride];
};

// Lists 32 channels, c being this lane's, behind the `count` rows there are. Returns how many rows
// there are then.
template <int Width, int Tokens, class S>
__device__ unsigned list_channels(const S* const (&keep)[Width], const token_batch& batch,
                                  unsigned c, bool inside, std::uint32_t row, unsigned count,
                                  bool fill, channel_list<Width, Tokens>& list) {
  const unsigned lane = threadIdx.x % 32;
  float value[Tokens][Width];
  bool kept = false;
#pragma unroll
  for (unsigned t = 0; t < Tokens; ++t) {
    const bool there = inside && t < batch.tokens;
    const float x = there ? batch.x[t * batch.x_stride + c] : 0.0f;
#pragma unroll
    for (unsigned k = 0; k < Width; ++k) {
      const bool keeps = there && keep[k]->keeps(x, c);
      value[t][k] = keeps ? x : 0.0f;
      kept = kept || keeps;
    }
  }
  const std::uint32_t rows = __ballot_sync(~0u, kept);
  const auto more = static_cast<unsigned>(__popc(rows));
  const unsigned before = static_cast<unsigned>(__popc(rows & ((1u << lane) - 1)));
  if (kept) {
    list.row[count + before] = row;
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t)
#pragma unroll
      for (unsigned k = 0; k < Width; ++k) list.value[t][k][count + before] = value[t][k];
  }
  const unsigned end = count + more;
  if (!fill) return end;
  const unsigned whole = (end + rows_in_flight - 1) / rows_in_flight * rows_in_flight;
  __syncwarp();
  if (lane < whole - end) {
    list.row[end + lane] = list.row[end - 1];
#pragma unroll
    for (unsigned t = 0; t < Tokens; ++t)
#pragma unroll
      for (unsigned k = 0; k < Width; ++k) list.value[t][k][end + lane] = 0.0f;
  }
  __syncwarp();
  return whole;
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
