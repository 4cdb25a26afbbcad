// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What an instruction set provides for one storage type. The drivers in cpu/multiply.hpp cut the
// work and call through this table; a kernel works on what it is told, on one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/output_group.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// Output groups [first, last) of 32.
struct group_range {
  std::size_t first;
  std::size_t last;
};

// An input as compaction reads it: x[c], or (x[c] · factor) · gain[c] when there is a gain.
struct compacted_input {
  const float* x;
  const float* gain;
  float factor;
};

// Channels that some token of a batch keeps: index [count], of `ahead` that may be prefetched.
struct live_channels {
  const std::uint32_t* index;
  std::size_t count;
  std::size_t ahead;
  std::size_t first;  // the channel that column 0 of the activations belongs to
};

template <storage_scalar T>
struct kernel_table {
  // y [outputs] of the groups = W · x [inputs], every channel, accumulators in registers.
  void (*dense_gemv)(const grouped_weight<T>& w, group_range groups, const float* x,
                     float* y) noexcept;

  // y [32 · number of groups] = the sum over `active` of value · channel, y kept in cache. `ahead`
  // entries from active.index on, at least active.count, may be prefetched.
  void (*channel_gemv)(const grouped_weight<T>& w, group_range groups, active_view active,
                       std::size_t ahead, float* y) noexcept;

  // The same for a batch: sums [tokens][stride] = the sum over the live channels of x · channel,
  // x [tokens, ..] zero where a token skips.
  void (*channel_batch)(const grouped_weight<T>& w, group_range groups, live_channels live,
                        matrix_view<const float> x, float* sums, std::size_t stride) noexcept;

  // Y [tokens, outputs] of the groups = X [tokens, inputs] · Wᵀ; scratch as gemm_scratch() says.
  void (*gemm)(const grouped_weight<T>& w, group_range groups, matrix_view<const float> x,
               matrix_view<float> y, float* scratch) noexcept;

  // Y [tokens, rows first..last) = X · Wᵀ for row-major W [.., inputs].
  void (*row_dots)(const T* w, std::size_t inputs, std::size_t first, std::size_t last,
                   matrix_view<const float> x, matrix_view<float> y) noexcept;

  // Appends the channels [first, last) with !(|x| · scale <= tau) and returns how many; scale may
  // be null for 1. index and value have room for 16 more than can be appended.
  std::size_t (*compact_above)(compacted_input x, const float* scale, float tau, std::size_t first,
                               std::size_t last, std::uint32_t* index, float* value) noexcept;

  // out [n] = silu(gate [n]) · up [n]; out may be either.
  void (*silu_mul)(const float* gate, const float* up, std::size_t n, float* out) noexcept;

  // y [n] = part 0 + part 1 + …, in that order; part p starts at parts + p · stride.
  void (*add_parts)(const float* parts, std::size_t stride, std::size_t count, std::size_t n,
                    float* y) noexcept;
};

// From this batch on, instruction sets with a bfloat16 dot product use it for bfloat16 weights, and
// activations are rounded to bfloat16. Smaller batches are memory-bound and gain nothing.
inline constexpr std::size_t rounded_batch = 17;

// Floats of scratch for kernel_table::gemm: one part of a group widened, and one part of X rounded.
[[nodiscard]] constexpr std::size_t gemm_scratch(std::size_t inputs, std::size_t tokens) noexcept {
  return summation_of(inputs).length * (group_outputs + tokens / 2 + 1);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
