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
#include "sparsellm/pack/super_blocks.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// What is packed from rows of levels.
template <class F>
concept levels_format =
    quantized_element<typename F::element> || super_block_element<typename F::element>;

// pack_levels() into storage_bytes<F>(shape) bytes. E has parallel_for() and concurrency().
// levels_fit: they need no check.
template <levels_format F, class E, class Fill>
void levels_into(E& exec, extents shape, std::byte* storage, const Fill& fill,
                 bool levels_fit = false) {
  using row_type = typename F::row;
  const std::size_t strips = (shape.outputs + F::rows_at_once - 1) / F::rows_at_once;
  const std::size_t tasks = std::min<std::size_t>(strips, exec.concurrency());
  exec.parallel_for(tasks, [&](std::size_t task) {
    const row_type blank = F::blank_row(shape);
    std::vector<row_type> rows(std::min(F::rows_at_once, shape.outputs), blank);
    for (std::size_t s = strips * task / tasks; s < strips * (task + 1) / tasks; ++s) {
      const std::size_t first = s * F::rows_at_once;
      const std::size_t count = std::min<std::size_t>(F::rows_at_once, shape.outputs - first);
      for (std::size_t r = 0; r < count; ++r) {
        fill(first + r, rows[r]);
        F::check_row(first + r, rows[r]);
        if (levels_fit) continue;
        const std::uint8_t largest = *std::max_element(rows[r].level.begin(), rows[r].level.end());
        require<value_error>(largest <= F::top_level, "pack_levels: row ", first + r,
                             " has the level ", static_cast<int>(largest), ", expected at most ",
                             F::top_level);
      }
      F::pack_levels(storage, shape, first, rows, count);
    }
  });
}

// The bytes of a row of GGUF blocks. Throws shape_error when they are no whole ones.
template <class Q>
[[nodiscard]] std::size_t gguf_row_bytes(extents shape) {
  using block = gguf_block<Q>;
  require<shape_error>(shape.inputs % block::channels == 0, "pack: GGUF blocks hold ",
                       block::channels, " channels, ", shape.inputs, " are no whole blocks");
  return shape.inputs / block::channels * block::bytes;
}

// row_at(r): the bytes of row r. Throws shape_error for another number of them than a row has.
template <levels_format F, class E, class RowAt>
void gguf_rows_into(E& exec, extents shape, std::byte* storage, const RowAt& row_at) {
  using block = gguf_block<typename F::element>;
  const std::size_t row_bytes = gguf_row_bytes<typename F::element>(shape);
  levels_into<F>(
      exec, shape, storage,
      [&](std::size_t r, typename F::row& row) {
        const vector_view<const std::byte> bytes = row_at(r);
        require<shape_error>(bytes.size() == row_bytes, "pack: row ", r, " is ", row_bytes,
                             " bytes of GGUF blocks, got ", bytes.size());
        const std::byte* from = bytes.data();
        for (std::size_t b = 0; b < shape.inputs / block::channels; ++b, from += block::bytes) {
          std::uint8_t* const level = row.level.data() + b * block::channels;
          if constexpr (super_block_element<typename F::element>) {
            constexpr std::size_t n = block::channels / F::block_channels;
            block::read(from, level, row.scale.data() + b * n, row.minimum.data() + b * n,
                        row.scale_step[b], row.minimum_step[b]);
          } else {
            block::read(from, level, row.scale[b], row.minimum[b]);
          }
        }
      },
      true);
}

// pack() of blocks into storage_bytes<F>(shape) bytes.
template <levels_format F, class E>
void gguf_into(E& exec, extents shape, std::byte* storage, vector_view<const std::byte> blocks) {
  const std::size_t row_bytes = gguf_row_bytes<typename F::element>(shape);
  require<shape_error>(blocks.size() == shape.outputs * row_bytes, "pack: ", shape.outputs, "x",
                       shape.inputs, " are ", shape.outputs * row_bytes,
                       " bytes of GGUF blocks, got ", blocks.size());
  gguf_rows_into<F>(exec, shape, storage, [&](std::size_t r) {
    return vector_view<const std::byte>(blocks.data() + r * row_bytes, row_bytes);
  });
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Packs rows that are quantised already, bit for bit: fill(r, row) sets the levels [inputs], scales
// [blocks] and minima [blocks] of row r; `row` has these sizes already. It is a quantized_row, or
// for q4_k, q5_k and q6_k a super_block_row. fill is called from the executor's threads. Allocates
// what it returns, and each thread F::rows_at_once rows. Throws shape_error for zero sizes,
// value_error for scales or minima that are not finite and levels that do not fit. Returns when the
// weight is packed.
template <packed_format F, host_executor E, class Fill>
requires(detail::levels_format<F> && std::invocable<const Fill&, std::size_t, typename F::row&>)
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
requires detail::levels_format<F>
[[nodiscard]] packed_matrix<F> pack(E& exec, vector_view<const std::byte> blocks, extents shape) {
  packed_matrix<F> packed(shape);
  detail::gguf_into<F>(exec, shape, packed.storage(), blocks);
  return packed;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
