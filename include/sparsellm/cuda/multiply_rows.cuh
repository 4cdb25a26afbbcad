// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sparsity on the output side on a device: rows that no token of up to 8 wants are not read (CATS,
// arXiv 2404.08763).
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/convert.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/products/rows_product.cuh"
#include "sparsellm/multiply/activations.hpp"
#include "sparsellm/multiply/checks.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// The rows that `keep` keeps of scores [tokens, outputs]: y [tokens, outputs], 0 elsewhere; x
// [tokens, inputs]. Each token has the bits of its own product. y must not overlap the others.
// Throws shape_error when sizes do not fit.
template <detail::device::device_rows V, pointwise_sparsifier Keep>
void multiply_rows(cuda::executor& exec, const V& w,
                   std::type_identity_t<matrix_view<const float, device_space>> scores,
                   const Keep& keep, std::type_identity_t<matrix_view<const float, device_space>> x,
                   std::type_identity_t<matrix_view<float, device_space>> y) {
  detail::check_weight(w);
  detail::check_matrices(w.shape, x, y);
  require<shape_error>(scores.rows() == y.rows() && scores.cols() == y.cols(),
                       "multiply_rows: scores of ", y.rows(), "x", y.cols(), " expected, got ",
                       scores.rows(), "x", scores.cols());
  detail::device::kept_rows_product<typename V::element>(exec, w, scores, keep, x, y);
}
template <detail::device::device_rows V, pointwise_sparsifier Keep>
void multiply_rows(cuda::executor& exec, const V& w,
                   std::type_identity_t<vector_view<const float, device_space>> scores,
                   const Keep& keep, std::type_identity_t<vector_view<const float, device_space>> x,
                   std::type_identity_t<vector_view<float, device_space>> y) {
  multiply_rows(exec, w, matrix_view<const float, device_space>(scores.data(), 1, scores.size()),
                keep, matrix_view<const float, device_space>(x.data(), 1, x.size()),
                matrix_view<float, device_space>(y.data(), 1, y.size()));
}

// The rows listed in `active`, whose values are not looked at: y [outputs], 0 elsewhere; x
// [inputs]. Throws shape_error when sizes do not fit.
template <detail::device::device_rows V>
void multiply_rows(cuda::executor& exec, const V& w, active_view<device_space> active,
                   std::type_identity_t<vector_view<const float, device_space>> x,
                   std::type_identity_t<vector_view<float, device_space>> y) {
  detail::check_weight(w);
  detail::check_vectors(w.shape, x, y);
  const auto marks = exec.activations(w.shape.outputs);
  detail::device::scatter(exec, {active.index, nullptr, active.count}, marks.view());
  multiply_rows(exec, w, vector_view<const float, device_space>(marks.view()),
                detail::device::nonzero{}, x, y);
}
template <detail::device::device_rows V>
void multiply_rows(cuda::executor& exec, const V& w, const active_set<device_space>& active,
                   std::type_identity_t<vector_view<const float, device_space>> x,
                   std::type_identity_t<vector_view<float, device_space>> y) {
  multiply_rows(exec, w, active.view(), x, y);
}

// Scores or activations in half or bfloat16, in or out, vectors or matrices: widened to float and
// rounded once at the end, so the bits are those of the float product, rounded.
template <detail::device::device_rows V, class Scores, pointwise_sparsifier Keep, class X, class Y>
requires(detail::narrow_activations<Scores> || detail::narrow_activations<X> ||
         detail::narrow_activations<Y>)
void multiply_rows(cuda::executor& exec, const V& w, Scores&& scores, const Keep& keep, X&& x,
                   Y&& y) {
  const auto given = detail::as_view(scores);
  if constexpr (detail::narrow_activations<Scores>) {
    const detail::float_activations floats(exec, detail::as_view(x), detail::as_view(y),
                                           detail::elements(given));
    const auto held = exec.activations(detail::elements(given));
    const auto widened = detail::floats_like(given, held.data());
    cuda::convert(exec, given, widened);
    multiply_rows(exec, w, widened, keep, floats.x(), floats.y());
    floats.round();
  } else {
    const detail::float_activations floats(exec, detail::as_view(x), detail::as_view(y), 0);
    multiply_rows(exec, w, given, keep, floats.x(), floats.y());
    floats.round();
  }
}
template <detail::device::device_rows V, class A, class X, class Y>
requires(detail::is_active<A> && (detail::narrow_activations<X> || detail::narrow_activations<Y>))
void multiply_rows(cuda::executor& exec, const V& w, const A& active, X&& x, Y&& y) {
  const detail::float_activations floats(exec, detail::as_view(x), detail::as_view(y),
                                         w.shape.outputs);
  multiply_rows(exec, w, active, floats.x(), floats.y());
  floats.round();
}

// All of the above for a weight that owns its bytes.
template <storage_scalar T, class... Rest>
void multiply_rows(cuda::executor& exec, const packed_matrix<row_major<T>, device_space>& w,
                   Rest&&... rest) {
  multiply_rows(exec, w.view(), std::forward<Rest>(rest)...);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
