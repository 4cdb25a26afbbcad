// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What multiply() and the products beside it check before they run, and what they say.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// x [inputs], y [outputs], X [tokens, inputs] and Y [tokens, outputs] in the executor's memory.
template <class E>
using input_vector = vector_view<const float, typename E::space>;
template <class E>
using output_vector = vector_view<float, typename E::space>;
template <class E>
using input_matrix = matrix_view<const float, typename E::space>;
template <class E>
using output_matrix = matrix_view<float, typename E::space>;

// "Does this pair run?" docs/support-matrix.md tabulates the answers.
template <class E, class F>
concept multiplies = executor<E> && packed_format<F> &&
                     requires(E& exec, typename F::template view<typename E::space> w,
                              input_vector<E> x, output_vector<E> y, input_matrix<E> xs,
                              output_matrix<E> ys, active_view<typename E::space> active) {
                       run_multiply(exec, w, keep_all{}, x, y);
                       run_multiply(exec, w, active, y);
                       run_multiply(exec, w, keep_all{}, xs, ys);
                     };

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

template <class T, class U>
[[nodiscard]] bool overlap(const T* a, std::size_t a_size, const U* b, std::size_t b_size) {
  // Pointers into different arrays have no order of their own.
  const auto at = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p); };
  return at(a) < at(b + b_size) && at(b) < at(a + a_size);
}

inline void check_inputs(extents shape, std::size_t x) {
  require<shape_error>(x == shape.inputs, "multiply: W is ", shape.outputs, "x", shape.inputs,
                       ", so x must have ", shape.inputs, " elements, got ", x);
}
inline void check_outputs(extents shape, std::size_t y) {
  require<shape_error>(y == shape.outputs, "multiply: W is ", shape.outputs, "x", shape.inputs,
                       ", so y must have ", shape.outputs, " elements, got ", y);
}

// What a view looks at begins at a multiple of `alignment` bytes.
inline void check_address(const void* first, std::size_t alignment, const char* what) {
  const auto past = reinterpret_cast<std::uintptr_t>(first) % alignment;
  require<value_error>(past == 0, "multiply: ", what, " aligned to ", alignment,
                       " bytes expected, got an address ", past, " past a multiple of it");
}
inline void check_floats(const float* x, const float* y) {
  check_address(x, alignof(float), "x");
  check_address(y, alignof(float), "y");
}
// Of weights: rows as other libraries hand them over lie as their elements do, all else as packed.
template <class V>
void check_weight(const V& w) {
  if constexpr (requires { w.storage; })
    check_address(w.storage, packed_alignment, "a packed weight");
  else if constexpr (requires { w.step; })
    check_address(w.step.data, packed_alignment, "a packed weight");
  else if constexpr (V::format::layout == layout_kind::row_major)
    check_address(w.data, alignof(typename V::element), "a row_major weight");
  else
    check_address(w.data, packed_alignment, "a packed weight");
}

template <class Space>
void check_vectors(extents shape, vector_view<const float, Space> x, vector_view<float, Space> y) {
  check_inputs(shape, x.size());
  check_outputs(shape, y.size());
  check_floats(x.data(), y.data());
  require<shape_error>(!overlap(x.data(), x.size(), y.data(), y.size()),
                       "multiply: x and y overlap");
}

template <class Space>
void check_matrices(extents shape, matrix_view<const float, Space> x, matrix_view<float, Space> y) {
  require<shape_error>(x.rows() == y.rows(), "multiply: X has ", x.rows(), " rows and Y ",
                       y.rows());
  require<shape_error>(x.rows() != 0, "multiply: a batch needs at least 1 row, got 0");
  require<shape_error>(x.cols() == shape.inputs, "multiply: W is ", shape.outputs, "x",
                       shape.inputs, ", so X must have ", shape.inputs, " columns, got ", x.cols());
  require<shape_error>(y.cols() == shape.outputs, "multiply: W is ", shape.outputs, "x",
                       shape.inputs, ", so Y must have ", shape.outputs, " columns, got ",
                       y.cols());
  check_floats(x.data(), y.data());
  require<shape_error>(!overlap(x.data(), (x.rows() - 1) * x.stride() + x.cols(), y.data(),
                                (y.rows() - 1) * y.stride() + y.cols()),
                       "multiply: X and Y overlap");
}

// Sections ascend without a gap from output `first` to `last`.
template <class S>
void check_sections(const stacked<S>& s, std::size_t first, std::size_t last) {
  require<shape_error>(s.count != 0 && s.count <= most_sections, "multiply: 1 to ", most_sections,
                       " sections expected, got ", s.count);
  std::size_t at = first;
  for (std::size_t i = 0; i < s.count; ++i) {
    require<shape_error>(s.sections[i].first == at && s.sections[i].last > at, "multiply: section ",
                         i, " must begin at output ", at, " and not be empty, got [",
                         s.sections[i].first, ", ", s.sections[i].last, ")");
    at = s.sections[i].last;
  }
  require<shape_error>(at == last, "multiply: sections for ", last, " outputs expected, got ", at);
}
template <class S>
void check_sections(const S&, std::size_t, std::size_t) {}

inline void check_gated(extents shape, std::size_t inputs, std::size_t hidden) {
  require<shape_error>(shape.outputs == 2 * hidden && shape.inputs == inputs,
                       "multiply_gated: W is ", shape.outputs, "x", shape.inputs, ", so x of ",
                       shape.inputs, " and h of half the outputs expected, got ", inputs, " and ",
                       hidden);
}

// The channels that a host's list names are there; a device's are its own.
inline void check_listed(extents shape, active_view<> active) {
  require<shape_error>(active.count == 0 || active.index[active.count - 1] < shape.inputs,
                       "multiply: W is ", shape.outputs, "x", shape.inputs, ", channel ",
                       active.count == 0 ? 0 : active.index[active.count - 1],
                       " is listed, the last is ", shape.inputs - 1);
}
inline void check_listed(extents, active_view<device_space>) {}

template <class S>
inline constexpr bool is_stacked = false;
template <class S>
inline constexpr bool is_stacked<stacked<S>> = true;

// What a batch, sections and fused passes can ask for each channel by itself.
template <class S>
concept fused_sparsifier =
    pointwise_sparsifier<S> || (is_stacked<S> && requires(const S& s) {
      requires pointwise_sparsifier<std::remove_cvref_t<decltype(s.sections->keep)>>;
    });

// Views whose format is only known when they run (model/any_weight.hpp) say so here.
template <class W>
inline constexpr bool is_runtime_view = false;

template <class W>
concept weight_view = packed_view<W> || is_runtime_view<W>;

template <class E, class W>
[[nodiscard]] constexpr bool has_kernel() noexcept {
  if constexpr (is_runtime_view<W>)
    return std::same_as<typename E::space, typename W::space>;
  else
    return multiplies<E, typename W::format>;
}

// Compile-time sentences; true when the call may go on.
template <class E, class W>
constexpr bool runs() {
  static_assert(
      !std::is_const_v<E>,
      "sparsellm: the executor is const; products use its threads and its memory, so pass "
      "one that is not");
  if constexpr (!std::is_const_v<E>) {
    static_assert(has_kernel<E, W>(),
                  "sparsellm: no kernel multiplies this format on this executor; "
                  "docs/support-matrix.md lists the pairs that run, and sparsellm/sparsellm.hpp "
                  "brings the CPU's");
    return has_kernel<E, W>();
  }
  return false;
}

template <class E, class Space>
constexpr bool same_space() {
  static_assert(std::same_as<typename E::space, Space>,
                "sparsellm: the weight lives in another memory space than the executor computes "
                "in; pack it with an executor of that space");
  return std::same_as<typename E::space, Space>;
}

template <class S>
constexpr bool fuses() {
  static_assert(
      fused_sparsifier<S>,
      "sparsellm: a batch, stacked projections and fused passes take pointwise sparsifiers "
      "(magnitude or column_scaled with above); top_k and others that see all scores go "
      "token by token, with an active_set");
  return fused_sparsifier<S>;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
