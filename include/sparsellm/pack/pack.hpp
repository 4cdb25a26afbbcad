// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// pack() for the host: dense rows, of any storage type or made on demand, become a packed_matrix.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/all_finite.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/packed_matrix.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Makes the rows of a weight strip by strip (F::rows_at_once rows), on the executor's threads:
// fill(r, out [inputs]) and check(r, row) for each row, then write(first, rows) for the strip.
// Every task allocates a strip of U. E has parallel_for() and concurrency().
template <packed_format F, class U = float, class E, class Fill, class Check, class Write>
void fill_strips(E& exec, extents shape, const Fill& fill, const Check& check, const Write& write) {
  const std::size_t rows_at_once = std::min<std::size_t>(F::rows_at_once, shape.outputs);
  const std::size_t strips = (shape.outputs + rows_at_once - 1) / rows_at_once;
  const std::size_t tasks = std::min<std::size_t>(strips, exec.concurrency());
  exec.parallel_for(tasks, [&](std::size_t task) {
    buffer<U> rows(rows_at_once * shape.inputs);
    for (std::size_t s = strips * task / tasks; s < strips * (task + 1) / tasks; ++s) {
      const std::size_t first = s * rows_at_once;
      const std::size_t count = std::min<std::size_t>(rows_at_once, shape.outputs - first);
      for (std::size_t r = 0; r < count; ++r) {
        const vector_view<U> row(rows.data() + r * shape.inputs, shape.inputs);
        fill(first + r, row);
        check(first + r, row);
      }
      write(first, matrix_view<const U>(rows.data(), count, shape.inputs));
    }
  });
}

// Throws value_error when a weight does not fit the format.
template <packed_format F>
SPARSELLM_INLINE void check_weight(const char* what, std::size_t r, std::size_t c, float w) {
  if (!F::stores(w))
    raise<value_error>(concat(what, ": weight [", r, ", ", c, "] is ", w,
                              ", expected a finite number that fits ", stored_as<F>()));
}

// As check_weight() for a row.
template <packed_format F, class U>
void check_weights(std::size_t r, vector_view<U> row) {
  if constexpr (std::same_as<U, typename F::element>)
    if (all_finite(row.data(), row.size())) return;
  for (std::size_t c = 0; c < row.size(); ++c) check_weight<F>("pack", r, c, widen(row[c]));
}

// pack() into storage_bytes<F>(shape) bytes.
template <packed_format F, class E, class Fill>
void pack_into(E& exec, extents shape, std::byte* storage, const Fill& fill) {
  fill_strips<F>(
      exec, shape, fill, [](std::size_t r, vector_view<float> row) { check_weights<F>(r, row); },
      [&](std::size_t first, matrix_view<const float> rows) {
        F::pack_rows(storage, shape, first, rows);
      });
}

// Formats that keep numbers as they are, and all of them.
template <class F>
concept element_format = storage_scalar<typename F::element> && !is_pruned(F::layout);

// row_at(r): the bytes of row r, elements of F, at any address. Throws shape_error for another
// number of them than a row has, value_error for a weight that is not finite.
template <element_format F, class E, class RowAt>
void elements_into(E& exec, extents shape, std::byte* storage, const RowAt& row_at) {
  using T = typename F::element;
  fill_strips<F, T>(
      exec, shape,
      [&](std::size_t r, vector_view<T> row) {
        const vector_view<const std::byte> bytes = row_at(r);
        require<shape_error>(bytes.size() == row.size() * sizeof(T), "pack: row ", r, " is ",
                             row.size() * sizeof(T), " bytes of ", scalar_name<T>, ", got ",
                             bytes.size());
        std::memcpy(row.data(), bytes.data(), bytes.size());
      },
      [](std::size_t r, vector_view<T> row) { check_weights<F>(r, row); },
      [&](std::size_t first, matrix_view<const T> rows) {
        F::pack_rows(storage, shape, first, rows);
      });
}

// All rows, one after the other. Throws shape_error for another number of bytes.
template <element_format F, class E>
void elements_into(E& exec, extents shape, std::byte* storage,
                   vector_view<const std::byte> elements) {
  using T = typename F::element;
  const std::size_t row_bytes = shape.inputs * sizeof(T);
  require<shape_error>(elements.size() == shape.outputs * row_bytes, "pack: ", shape.outputs, "x",
                       shape.inputs, " are ", shape.outputs * row_bytes, " bytes of ",
                       scalar_name<T>, ", got ", elements.size());
  elements_into<F>(exec, shape, storage, [&](std::size_t r) {
    return vector_view<const std::byte>(elements.data() + r * row_bytes, row_bytes);
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
// Throws, allocates and returns as the other; numbers that are the format's elements already are
// not rounded on the way.
template <packed_format F, host_executor E, class U>
requires storage_scalar<std::remove_const_t<U>>
[[nodiscard]] packed_matrix<F> pack(E& exec, matrix_view<U> weight) {
  const extents shape{weight.rows(), weight.cols()};
  if constexpr (detail::element_format<F> &&
                std::same_as<std::remove_const_t<U>, typename F::element>) {
    packed_matrix<F> packed(shape);
    detail::elements_into<F>(exec, shape, packed.storage(), [&](std::size_t r) {
      return vector_view<const std::byte>(reinterpret_cast<const std::byte*>(&weight(r, 0)),
                                          shape.inputs * sizeof(U));
    });
    return packed;
  } else {
    return pack<F>(exec, shape, detail::rows_of(weight));
  }
}

// Packs W [outputs, inputs] from the bytes of its elements, rows one after the other, little-endian
// and at any address, as GGUF and safetensors files have them; they may be a mapped file:
//   auto w = pack<channel_major<bfloat16>>(exec, bytes, {outputs, inputs});
// Throws shape_error for another number of bytes than the shape has, else as the others. Allocates
// what it returns, and each thread F::rows_at_once rows of elements. Returns when the weight is
// packed.
template <packed_format F, host_executor E>
requires detail::element_format<F>
[[nodiscard]] packed_matrix<F> pack(E& exec, vector_view<const std::byte> bytes, extents shape) {
  packed_matrix<F> packed(shape);
  detail::elements_into<F>(exec, shape, packed.storage(), bytes);
  return packed;
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
