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

// Makes the rows of a weight strip by strip (F::rows_at_once rows), on the executor's threads:
// fill(r, out [inputs]) and check(r, row) for each row, then write(first, rows) for the strip.
// Every task allocates a strip of floats. E has parallel_for() and concurrency().
template <packed_format F, class E, class Fill, class Check, class Write>
void fill_strips(E& exec, extents shape, const Fill& fill, const Check& check, const Write& write) {
  const std::size_t rows_at_once = std::min<std::size_t>(F::rows_at_once, shape.outputs);
  const std::size_t strips = (shape.outputs + rows_at_once - 1) / rows_at_once;
  const std::size_t tasks = std::min<std::size_t>(strips, exec.concurrency());
  exec.parallel_for(tasks, [&](std::size_t task) {
    buffer<float> rows(rows_at_once * shape.inputs);
    for (std::size_t s = strips * task / tasks; s < strips * (task + 1) / tasks; ++s) {
      const std::size_t first = s * rows_at_once;
      const std::size_t count = std::min<std::size_t>(rows_at_once, shape.outputs - first);
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
  fill_strips<F>(
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

// Packs rows that a function makes on demand: fill(r, out [inputs]) writes row r as float, and is
// called from the executor's threads. Each thread holds at most F::rows_at_once rows in float at
// any time. Allocates those and what it returns. Throws shape_error for zero sizes, value_error
// when a weight is NaN or infinite, or too large for the element: a skipped channel must contribute
// exactly nothing, and infinity times zero is not nothing. Returns when the weight is packed.
template <packed_format F, host_executor E, class Fill>
requires std::invocable<const Fill&, std::size_t, vector_view<float>>
[[nodiscard]] packed_matrix<F> pack(E& exec, extents shape, const Fill& fill) {
  packed_matrix<F> packed(shape);
  detail::pack_into<F>(exec, shape, packed.storage(), fill);
  return packed;
}

// Packs W [outputs, inputs] of any storage type:
//   auto w = pack<channel_major<bfloat16>>(exec, weight);
// Throws, allocates and returns as the other.
template <packed_format F, host_executor E, class U>
requires storage_scalar<std::remove_const_t<U>>
[[nodiscard]] packed_matrix<F> pack(E& exec, matrix_view<U> weight) {
  return pack<F>(exec, extents{weight.rows(), weight.cols()}, detail::rows_of(weight));
}

// The inverse: out [outputs, inputs] = what was stored of each weight, 0 where nothing was kept.
// Throws shape_error for another shape. Runs on the calling thread; allocates nothing.
template <packed_format F>
void unpack(const packed_matrix<F>& packed, matrix_view<float> out) {
  require<shape_error>(out.rows() == packed.shape().outputs && out.cols() == packed.shape().inputs,
                       "unpack: ", packed.shape().outputs, "x", packed.shape().inputs,
                       " expected, got ", out.rows(), "x", out.cols());
  for (std::size_t r = 0; r < out.rows(); ++r) F::unpack_row(packed.view(), r, out.row(r));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
