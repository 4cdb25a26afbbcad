// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 4, pack: a dense weight W [outputs, inputs] becomes bytes in the order a kernel wants to
// read them. A format is a stateless description; packed_matrix owns the bytes; a view is the
// pointer and the shape that kernels get.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Whether a weight is finite when stored as T.
template <storage_scalar T>
[[nodiscard]] bool finite_as(float w) noexcept {
  return is_finite(widen(narrow<T>(w)));
}

// Semantics: storage holds bytes(e) bytes. pack_rows(storage, e, first, rows) writes the rows
// [first, first + rows.rows()) of the weight, a multiple of row_block (or up to the last row; a
// row_block beyond the outputs wants all rows at once), and
// the padding that belongs to them; after all rows are written every byte is. unpack_row(view, r,
// out [inputs]) gives back what was stored: narrow<value_type>() of what was packed, or the nearest
// level. stores(w) says whether a weight fits the format.
template <class F>
concept packed_format = std::is_trivially_copyable_v<typename F::value_type> &&
    std::is_trivially_copyable_v<typename F::template view<host_space>> &&
    requires(extents e, typename F::value_type* storage, std::size_t row, float w,
             matrix_view<const float> rows, vector_view<float> out,
             typename F::template view<host_space> view) {
  { F::name } -> std::convertible_to<std::string_view>;
  { F::row_block } -> std::convertible_to<std::size_t>;
  { F::admits(e) }
  noexcept->std::same_as<bool>;
  { F::bytes(e) }
  noexcept->std::same_as<std::size_t>;
  { F::stores(w) }
  noexcept->std::same_as<bool>;
  { F::make_view(storage, e) }
  noexcept->std::same_as<typename F::template view<host_space>>;
  { F::pack_rows(storage, e, row, rows) }
  noexcept;
  { F::unpack_row(view, row, out) }
  noexcept;
  requires std::same_as<typename decltype(view)::format, F>;
  { view.shape } -> std::convertible_to<extents>;
};

// What a weight of this format is stored as, for messages.
template <packed_format F>
[[nodiscard]] constexpr std::string_view stored_as() noexcept {
  if constexpr (storage_scalar<typename F::value_type>)
    return scalar_name<typename F::value_type>;
  else
    return F::name;
}

// A view of packed weights: knows its format and its shape.
template <class V>
concept packed_view = packed_format<typename V::format> && requires(const V& v) {
  { v.shape } -> std::convertible_to<extents>;
};

// W [outputs, inputs], packed, on the host.
template <packed_format F>
class packed_matrix {
 public:
  using format = F;

  // Uninitialised; pack() fills it. Throws shape_error for zero sizes and shapes the format does
  // not admit.
  explicit packed_matrix(extents shape) : shape_(shape) {
    require<shape_error>(shape.outputs != 0 && shape.inputs != 0,
                         "pack: a weight needs at least 1 output and 1 input, got ", shape.outputs,
                         "x", shape.inputs);
    require<shape_error>(F::admits(shape), "pack: ", F::name, " does not take the shape ",
                         shape.outputs, "x", shape.inputs);
    std::size_t bytes = F::bytes(shape);
    if constexpr (requires { F::slack_bytes; }) bytes += F::slack_bytes;
    storage_ = buffer<typename F::value_type>(bytes / sizeof(typename F::value_type));
  }

  [[nodiscard]] extents shape() const noexcept { return shape_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return F::bytes(shape_); }
  [[nodiscard]] typename F::template view<host_space> view() const noexcept {
    return F::make_view(storage_.data(), shape_);
  }
  [[nodiscard]] typename F::value_type* storage() noexcept { return storage_.data(); }
  // All bytes, what kernels may read behind the last value included.
  [[nodiscard]] vector_view<const typename F::value_type> storage_view() const noexcept {
    return {storage_.data(), storage_.size()};
  }

 private:
  extents shape_;
  buffer<typename F::value_type> storage_;
};

// Rows from fill(r, out [inputs]), in blocks, on the executor's threads: check(r, row) of each,
// then write(storage, first, rows).
template <packed_format F, host_executor E, class Fill, class Check, class Write>
[[nodiscard]] packed_matrix<F> pack_blocks(E& exec, extents shape, const Fill& fill,
                                           const Check& check, const Write& write) {
  packed_matrix<F> packed(shape);
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
      write(packed.storage(), first, matrix_view<const float>(rows.data(), count, shape.inputs));
    }
  });
  return packed;
}

// Throws value_error when a weight does not fit the format.
template <packed_format F>
void check_weight(const char* what, std::size_t r, std::size_t c, float w) {
  if (!F::stores(w))
    raise<value_error>(concat(what, ": weight [", r, ", ", c, "] is ", w,
                              ", expected a finite number that fits ", stored_as<F>()));
}

// Packs rows that a function makes on demand: fill(r, out [inputs]) writes row r as float. At most
// row_block rows a thread exist in float at any time. fill is called from the executor's threads.
// Throws value_error when a weight is NaN or infinite, or too large for the storage type: a skipped
// channel must contribute exactly nothing, and infinity times zero is not nothing.
template <packed_format F, host_executor E, class Fill>
requires std::invocable<const Fill&, std::size_t, vector_view<float>>
[[nodiscard]] packed_matrix<F> pack(E& exec, extents shape, const Fill& fill) {
  return pack_blocks<F>(
      exec, shape, fill,
      [](std::size_t r, vector_view<float> row) {
        for (std::size_t c = 0; c < row.size(); ++c) check_weight<F>("pack", r, c, row[c]);
      },
      [shape](typename F::value_type* storage, std::size_t first, matrix_view<const float> rows) {
        F::pack_rows(storage, shape, first, rows);
      });
}

// Packs W [outputs, inputs] of any storage type:
//   auto w = pack<channel_major<bfloat16>>(exec, weight);
template <packed_format F, host_executor E, class U>
requires storage_scalar<std::remove_const_t<U>>
[[nodiscard]] packed_matrix<F> pack(E& exec, matrix_view<U> weight) {
  return pack<F>(exec, extents{weight.rows(), weight.cols()},
                 [weight](std::size_t r, vector_view<float> out) {
                   for (std::size_t c = 0; c < out.size(); ++c) out[c] = widen(weight(r, c));
                 });
}

// The inverse: out [outputs, inputs]. Throws shape_error for another shape.
template <packed_format F>
void unpack(const packed_matrix<F>& packed, matrix_view<float> out) {
  require<shape_error>(out.rows() == packed.shape().outputs && out.cols() == packed.shape().inputs,
                       "unpack: ", packed.shape().outputs, "x", packed.shape().inputs,
                       " expected, got ", out.rows(), "x", out.cols());
  for (std::size_t r = 0; r < out.rows(); ++r) F::unpack_row(packed.view(), r, out.row(r));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
