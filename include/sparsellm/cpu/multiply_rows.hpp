// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sparsity on the output side: rows whose outputs are not needed are not read. CATS (arXiv
// 2404.08763) knows from the gate which outputs of up matter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/row_product.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/multiply/checks.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Throws shape_error when sizes do not fit or a listed row is not there; else fills y with 0.
inline void check_rows(extents shape, active_view<> rows, vector_view<const float> x,
                       vector_view<float> y) {
  check_vectors(shape, x, y);
  require<shape_error>(rows.count == 0 || rows.index[rows.count - 1] < shape.outputs,
                       "multiply_rows: W has ", shape.outputs, " rows, row ",
                       rows.count == 0 ? 0 : rows.index[rows.count - 1], " was asked for");
  std::fill(y.begin(), y.end(), 0.0f);
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// y[r] = row r of W [outputs, inputs] · x [inputs] for the rows listed in `rows` (its values are
// not looked at), 0 for the others. Throws shape_error when sizes do not fit or a row is not there.
// Waits; allocates nothing.
template <host_executor E, detail::row_view V>
void multiply_rows(E& exec, const V& w, active_view<> rows,
                   std::type_identity_t<vector_view<const float>> x,
                   std::type_identity_t<vector_view<float>> y) {
  detail::check_weight(w);
  detail::check_rows(w.shape, rows, x, y);
  detail::listed_rows_product<typename V::element>(
      detail::ref(exec), w, vector_view<const std::uint32_t>(rows.index, rows.count), x, y);
}
template <host_executor E, detail::row_view V>
void multiply_rows(E& exec, const V& w, const active_set<>& rows,
                   std::type_identity_t<vector_view<const float>> x,
                   std::type_identity_t<vector_view<float>> y) {
  multiply_rows(exec, w, rows.view(), x, y);
}

// The same with the rows whose scores `keep` keeps: y [tokens, outputs], scores [tokens, outputs],
// x [tokens, inputs]. Throws shape_error when sizes do not fit. Waits; allocates nothing once the
// executor's memory has grown.
template <host_executor E, detail::row_view V, pointwise_sparsifier Keep>
void multiply_rows(E& exec, const V& w, std::type_identity_t<matrix_view<const float>> scores,
                   const Keep& keep, std::type_identity_t<matrix_view<const float>> x,
                   std::type_identity_t<matrix_view<float>> y) {
  detail::check_weight(w);
  detail::check_matrices(w.shape, x, y);
  require<shape_error>(scores.rows() == y.rows() && scores.cols() == y.cols(),
                       "multiply_rows: scores of ", y.rows(), "x", y.cols(), " expected, got ",
                       scores.rows(), "x", scores.cols());
  const std::size_t room = w.shape.outputs + detail::compaction_slack;
  float* const value = exec.activations(2 * room).data();
  auto* const index = reinterpret_cast<std::uint32_t*>(value + room);
  for (std::size_t t = 0; t < x.rows(); ++t) {
    const std::size_t count =
        detail::list_kept<Keep>(&keep, detail::isa_of(exec), detail::inputs_of(scores.row(t))[0], 0,
                                w.shape.outputs, index, value);
    multiply_rows(exec, w, active_view<>{index, value, count}, x.row(t), y.row(t));
  }
}
template <host_executor E, detail::row_view V, pointwise_sparsifier Keep>
void multiply_rows(E& exec, const V& w, std::type_identity_t<vector_view<const float>> scores,
                   const Keep& keep, std::type_identity_t<vector_view<const float>> x,
                   std::type_identity_t<vector_view<float>> y) {
  multiply_rows(exec, w, matrix_view<const float>(scores.data(), 1, scores.size()), keep,
                matrix_view<const float>(x.data(), 1, x.size()),
                matrix_view<float>(y.data(), 1, y.size()));
}

// All of the above for a weight that owns its bytes.
template <host_executor E, storage_scalar T, class... Rest>
void multiply_rows(E& exec, const packed_matrix<row_major<T>>& w, Rest&&... rest) {
  multiply_rows(exec, w.view(), std::forward<Rest>(rest)...);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
