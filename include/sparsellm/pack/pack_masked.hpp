// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M weights from a mask that the caller made: pruning decides, packing only stores.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/prune/mask.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// pack_masked() into storage_bytes<F>(shape) bytes. E has parallel_for() and concurrency().
template <packed_format F, class E, class Fill>
void masked_into(E& exec, extents shape, std::byte* storage, const Fill& fill,
                 const weight_mask& mask) {
  require<shape_error>(mask.shape() == shape, "pack_masked: a mask of ", shape.outputs, "x",
                       shape.inputs, " expected, got ", mask.shape().outputs, "x",
                       mask.shape().inputs);
  require<value_error>(mask.follows(F::pattern), "pack_masked: the mask does not keep ",
                       F::pattern.n, " of every ", F::pattern.m);
  fill_strips<F>(
      exec, shape, fill,
      [&](std::size_t r, vector_view<float> row) {
        for (std::size_t c = 0; c < row.size(); ++c)
          if (mask.keeps(r, c)) check_weight<F>("pack_masked", r, c, row[c]);
      },
      [&](std::size_t first, matrix_view<const float> rows) {
        F::pack_rows(storage, shape, first, rows, {&mask, first});
      });
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Packs the weights of W [outputs, inputs] that a mask of that shape keeps; the others are not
// looked at. fill as for pack(). Allocates what it returns, and each thread F::rows_at_once rows of
// floats. Throws shape_error for a mask of another shape, value_error when it does not follow the
// format's pattern or a kept weight is not finite as the element. Returns when the weight is
// packed.
template <packed_format F, host_executor E, class Fill>
requires(is_pruned(F::layout) && std::invocable<const Fill&, std::size_t, vector_view<float>>)
[[nodiscard]] packed_matrix<F> pack_masked(E& exec, extents shape, const Fill& fill,
                                           const weight_mask& mask) {
  packed_matrix<F> packed(shape);
  detail::masked_into<F>(exec, shape, packed.storage(), fill, mask);
  return packed;
}

// The same for W [outputs, inputs] in memory, of any storage type.
template <packed_format F, host_executor E, class U>
requires(is_pruned(F::layout) && storage_scalar<std::remove_const_t<U>>)
[[nodiscard]] packed_matrix<F> pack_masked(E& exec, matrix_view<U> weight,
                                           const weight_mask& mask) {
  return pack_masked<F>(exec, extents{weight.rows(), weight.cols()}, detail::rows_of(weight), mask);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
