// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights that are quantised already, kept bit for bit: rows of levels made on demand, or the
// blocks of a GGUF file as they stand there.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/gguf_blocks.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/pack/quantized.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// pack_levels() into storage_bytes<F>(shape) bytes. E has parallel_for() and concurrency().
template <packed_format F, class E, class Fill>
void levels_into(E& exec, extents shape, std::byte* storage, const Fill& fill) {
  const std::size_t strips = (shape.outputs + F::rows_at_once - 1) / F::rows_at_once;
  const std::size_t tasks = std::min<std::size_t>(strips, exec.concurrency());
  const std::size_t blocks = F::blocks(shape);
  exec.parallel_for(tasks, [&](std::size_t task) {
    const quantized_row blank{std::vector<std::uint8_t>(shape.inputs), std::vector<half>(blocks),
                              std::vector<half>(blocks)};
    std::vector<quantized_row> rows(F::rows_at_once, blank);
    for (std::size_t s = strips * task / tasks; s < strips * (task + 1) / tasks; ++s) {
      const std::size_t first = s * F::rows_at_once;
      const std::size_t count = std::min<std::size_t>(F::rows_at_once, shape.outputs - first);
      for (std::size_t r = 0; r < count; ++r) {
        fill(first + r, rows[r]);
        for (std::size_t b = 0; b < blocks; ++b)
          require<value_error>(
              is_finite(widen(rows[r].scale[b])) && is_finite(widen(rows[r].minimum[b])),
              "pack_levels: row ", first + r, ", block ", b, ": scale ", widen(rows[r].scale[b]),
              " and minimum ", widen(rows[r].minimum[b]), ", expected finite numbers");
        const std::uint8_t largest = *std::max_element(rows[r].level.begin(), rows[r].level.end());
        require<value_error>(largest <= F::top_level, "pack_levels: row ", first + r,
                             " has the level ", static_cast<int>(largest), ", expected at most ",
                             F::top_level);
      }
      F::pack_levels(storage, shape, first, rows, count);
    }
  });
}

// The rows of GGUF blocks as levels. Throws shape_error when sizes do not fit.
template <quantized_element Q>
[[nodiscard]] auto levels_of(vector_view<const std::byte> blocks, extents shape) {
  using block = gguf_block<Q>;
  require<shape_error>(shape.inputs % block::channels == 0, "pack: GGUF blocks hold ",
                       block::channels, " channels, ", shape.inputs, " are no whole blocks");
  const std::size_t row_bytes = shape.inputs / block::channels * block::bytes;
  require<shape_error>(blocks.size() == shape.outputs * row_bytes, "pack: ", shape.outputs, "x",
                       shape.inputs, " are ", shape.outputs * row_bytes,
                       " bytes of GGUF blocks, got ", blocks.size());
  return [=](std::size_t r, quantized_row& row) {
    const std::byte* from = blocks.data() + r * row_bytes;
    for (std::size_t b = 0; b < shape.inputs / block::channels; ++b, from += block::bytes)
      block::read(from, row.level.data() + b * block::channels, row.scale[b], row.minimum[b]);
  };
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Packs rows that are quantised already, bit for bit: fill(r, row) sets the levels [inputs], scales
// [blocks] and minima [blocks] of row r; `row` has these sizes already. fill is called from the
// executor's threads. Allocates what it returns, and each thread F::rows_at_once rows. Throws
// shape_error for zero sizes, value_error for scales or minima that are not finite and levels that
// do not fit. Returns when the weight is packed.
template <packed_format F, host_executor E, class Fill>
requires(quantized_element<typename F::element> &&
         std::invocable<const Fill&, std::size_t, quantized_row&>)
[[nodiscard]] packed_matrix<F> pack_levels(E& exec, extents shape, const Fill& fill) {
  packed_matrix<F> packed(shape);
  detail::levels_into<F>(exec, shape, packed.storage(), fill);
  return packed;
}

// Packs W [outputs, inputs] from GGUF's blocks of the same name, rows one after the other as the
// file has them; blocks may be a mapped file:
//   auto w = pack<channel_major<q4_1>>(exec, blocks, {outputs, inputs});
// Throws shape_error when inputs are no whole blocks or there are not as many bytes as the shape
// has, value_error for scales or minima that are not finite. Allocates as pack_levels(). Returns
// when the weight is packed.
template <packed_format F, host_executor E>
requires quantized_element<typename F::element>
[[nodiscard]] packed_matrix<F> pack(E& exec, vector_view<const std::byte> blocks, extents shape) {
  return pack_levels<F>(exec, shape, detail::levels_of<typename F::element>(blocks, shape));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
