// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// pack() for the host: dense rows, of any storage type or made on demand, become a packed_matrix.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/packed_matrix.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Rows from fill(r, out [inputs]), in blocks, on the executor's threads: check(r, row) of each,
// then write(first, rows). E has parallel_for() and concurrency().
template <packed_format F, class E, class Fill, class Check, class Write>
void in_row_blocks(E& exec, extents shape, const Fill& fill, const Check& check,
                   const Write& write) {
  const std::size_t row_block = std::min<std::size_t>(F::row_block, shape.outputs);
  const std::size_t blocks = (shape.outputs + row_block - 1) / row_block;
  const std::size_t tasks = std::min<std::size_t>(blocks, exec.concurrency());
  exec.parallel_for(tasks, [&](std::size_t task) {
    buffer<float> rows(row_block * shape.inputs);
    for (std::size_t b = blocks * task / tasks; b < blocks * (task + 1) / tasks; ++b) {
      const std::size_t first = b * row_block;
      const std::size_t count = std::min<std::size_t>(row_block, shape.outputs - first);
      for (std::size_t r = 0; r < count; ++r) {
        const vector_view<float> row(rows.data() + r * shape.inputs, shape.inputs);
        fill(first + r, row);
        check(first + r, row);
      }
      write(first, matrix_view<const float>(rows.data(), count, shape.inputs));
    }
  });
}

// Throws value_error when a weight does not fit the format.
template <packed_format F>
void check_weight(const char* what, std::size_t r, std::size_t c, float w) {
  if (!F::stores(w))
    raise<value_error>(concat(what, ": weight [", r, ", ", c, "] is ", w,
                              ", expected a finite number that fits ", stored_as<F>()));
}

// pack() into storage_bytes<F>(shape) bytes.
template <packed_format F, class E, class Fill>
void pack_into(E& exec, extents shape, std::byte* storage, const Fill& fill) {
  in_row_blocks<F>(
      exec, shape, fill,
      [](std::size_t r, vector_view<float> row) {
        for (std::size_t c = 0; c < row.size(); ++c) check_weight<F>("pack", r, c, row[c]);
      },
      [&](std::size_t first, matrix_view<const float> rows) {
        F::pack_rows(storage, shape, first, rows);
      });
}

// The fill function of a matrix that is there.
template <class U>
[[nodiscard]] auto rows_of(matrix_view<U> weight) noexcept {
  return [weight](std::size_t r, vector_view<float> out) {
    for (std::size_t c = 0; c < out.size(); ++c) out[c] = widen(weight(r, c));
  };
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Packs rows that a function makes on demand: fill(r, out [inputs]) writes row r as float. At most
// row_block rows a thread exist in float at any time. fill is called from the executor's threads.
// Throws shape_error for zero sizes, value_error when a weight is NaN or infinite, or too large for
// the element: a skipped channel must contribute exactly nothing, and infinity times zero is not
// nothing. Returns when the weight is packed.
template <packed_format F, host_executor E, class Fill>
requires std::invocable<const Fill&, std::size_t, vector_view<float>>
[[nodiscard]] packed_matrix<F> pack(E& exec, extents shape, const Fill& fill) {
  packed_matrix<F> packed(shape);
  detail::pack_into<F>(exec, shape, packed.storage(), fill);
  return packed;
}

// Packs W [outputs, inputs] of any storage type:
//   auto w = pack<channel_major<bfloat16>>(exec, weight);
// Throws and returns as the other.
template <packed_format F, host_executor E, class U>
requires storage_scalar<std::remove_const_t<U>>
[[nodiscard]] packed_matrix<F> pack(E& exec, matrix_view<U> weight) {
  return pack<F>(exec, extents{weight.rows(), weight.cols()}, detail::rows_of(weight));
}

// The inverse: out [outputs, inputs], of each number what was stored. Throws shape_error for another
// shape.
template <packed_format F>
void unpack(const packed_matrix<F>& packed, matrix_view<float> out) {
  require<shape_error>(out.rows() == packed.shape().outputs && out.cols() == packed.shape().inputs,
                       "unpack: ", packed.shape().outputs, "x", packed.shape().inputs,
                       " expected, got ", out.rows(), "x", out.cols());
  for (std::size_t r = 0; r < out.rows(); ++r) F::unpack_row(packed.view(), r, out.row(r));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
