// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A slice of the outputs, for engines whose own threads divide the work: every thread multiplies
// its slice on an executor of its own (cpu::serial_executor), and the slices together are the bits
// of the whole product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/run_multiply.hpp"
#include "sparsellm/multiply/checks.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0 {

// Outputs [first, last) of a weight.
struct output_range {
  std::size_t first = 0;
  std::size_t last = 0;
};

// Slice i of `count` slices of a weight's outputs, i < count. Slices are cut at multiples of the
// longest strip (128 outputs), so that no strip is multiplied for two slices. They may be empty
// when `count` is larger than the number of such strips.
[[nodiscard]] constexpr output_range slice_of(extents shape, std::size_t i,
                                              std::size_t count) noexcept {
  constexpr std::size_t strip = 128;
  const std::size_t strips = (shape.outputs + strip - 1) / strip;
  const auto border = [&](std::size_t at) {
    const std::size_t output = strips * at / count * strip;
    return output < shape.outputs ? output : shape.outputs;
  };
  return {border(i), border(i + 1)};
}

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

inline void check_slice(extents shape, output_range slice) {
  require<shape_error>(slice.first <= slice.last && slice.last <= shape.outputs,
                       "multiply_slice: W has ", shape.outputs, " outputs, got the slice [",
                       slice.first, ", ", slice.last, ")");
}

// Y of all outputs, of which a product writes those of the slice: when it is given those alone, a
// matrix that begins as many outputs before them. Throws shape_error for another number of columns.
[[nodiscard]] inline matrix_view<float> place_slice(extents shape, output_range slice,
                                                    matrix_view<float> y) {
  if (y.cols() == shape.outputs) return y;
  require<shape_error>(y.cols() == slice.last - slice.first, "multiply_slice: W is ", shape.outputs,
                       "x", shape.inputs, ", so y must have ", shape.outputs,
                       " outputs, or the slice's ", slice.last - slice.first, ", got ", y.cols());
  const auto first = reinterpret_cast<std::uintptr_t>(y.data()) - slice.first * sizeof(float);
  // An address before the matrix, not an element of it: a pointer may not be moved there.
  auto* const all = reinterpret_cast<float*>(first);  // NOLINT(performance-no-int-to-ptr)
  return {all, y.rows(), y.stride()};
}

// Of each section what lies in the slice.
[[nodiscard]] inline selection cut(const selection& s, output_range slice) noexcept {
  selection out = s;
  out.count = 0;
  for (std::size_t i = 0; i < s.count; ++i) {
    selection::section piece = s.sections[i];
    piece.first = piece.first < slice.first ? slice.first : piece.first;
    piece.last = piece.last > slice.last ? slice.last : piece.last;
    if (piece.first < piece.last) out.sections[out.count++] = piece;
  }
  return out;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// y[o] for o in `slice`, W [outputs, inputs], x [inputs]: floats, `normalised` or an active_view; y
// [outputs], of which the rest is left alone, or [slice.last - slice.first], those of the slice. s:
// a pointwise sparsifier or stacked ones for all outputs. The weight and x may be shared by
// threads, the executor not. Throws shape_error when sizes do not fit. Waits; allocates nothing
// once the executor's memory has grown.
template <host_executor E, detail::has_product V, class S, class X>
requires requires(const X& x) { detail::inputs_of(x); }
void multiply_slice(E& exec, const V& w, output_range slice, const S& s, const X& x,
                    std::type_identity_t<vector_view<float>> y) {
  if constexpr (detail::fuses<S>()) {
    detail::check_weight(w);
    if constexpr (requires { x.size(); }) detail::check_inputs(w.shape, x.size());
    if constexpr (requires { x.index; }) detail::check_listed(w.shape, x);
    detail::check_slice(w.shape, slice);
    const matrix_view<float> all =
        detail::place_slice(w.shape, slice, matrix_view<float>(y.data(), 1, y.size()));
    detail::check_sections(s, 0, w.shape.outputs);
    if (slice.first == slice.last) return;
    product(detail::ref(exec), w, detail::cut(detail::select_all(s, w.shape.outputs), slice),
            detail::inputs_of(x), 1, all);
  }
}
// The same for a batch: x [tokens, inputs], y [tokens, outputs] or [tokens, those of the slice].
template <host_executor E, detail::has_product V, class S>
void multiply_slice(E& exec, const V& w, output_range slice, const S& s,
                    std::type_identity_t<matrix_view<const float>> x,
                    std::type_identity_t<matrix_view<float>> y) {
  if constexpr (detail::fuses<S>()) {
    detail::check_weight(w);
    detail::check_slice(w.shape, slice);
    const matrix_view<float> all = detail::place_slice(w.shape, slice, y);
    detail::check_matrices(extents{y.cols(), w.shape.inputs}, x, y);
    detail::check_sections(s, 0, w.shape.outputs);
    if (slice.first == slice.last) return;
    product(detail::ref(exec), w, detail::cut(detail::select_all(s, w.shape.outputs), slice),
            detail::inputs_of(x), x.rows(), all);
  }
}

// All of the above for a weight that owns its bytes.
template <host_executor E, packed_format F, class... Rest>
void multiply_slice(E& exec, const packed_matrix<F>& w, output_range slice, Rest&&... rest) {
  multiply_slice(exec, w.view(), slice, std::forward<Rest>(rest)...);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
