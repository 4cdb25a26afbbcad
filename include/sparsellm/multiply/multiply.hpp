// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 5, multiply: y [outputs] = W [outputs, inputs] · s(x [inputs]), and the same for a batch,
// Y [tokens, outputs] from X [tokens, inputs]. Here are the shape checks and the messages; backends
// supply run_multiply(), found by overloading. x and y must not overlap.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <ranges>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

template <class E>
using input_vector = vector_view<const float, typename E::space>;
template <class E>
using output_vector = vector_view<float, typename E::space>;
template <class E>
using input_matrix = matrix_view<const float, typename E::space>;
template <class E>
using output_matrix = matrix_view<float, typename E::space>;

// Memory of the host, by its type: a range or a view that is not of another space, or a pointer.
template <class R>
concept host_memory = std::is_pointer_v<std::decay_t<R>> ||
                      (std::ranges::contiguous_range<R> &&
                       !requires { typename std::remove_cvref_t<R>::space; }) ||
                      requires {
  requires std::same_as<typename std::remove_cvref_t<R>::space, host_space>;
};

// "Does this pair run?" docs/support-matrix.md tabulates the answers.
template <class E, class F>
concept multiplies = executor<E> && packed_format<F> &&
    requires(E& exec, typename F::template view<typename E::space> w, input_vector<E> x,
             output_vector<E> y, input_matrix<E> xs, output_matrix<E> ys,
             active_view_in<typename E::space> active) {
  run_multiply(exec, w, keep_all{}, x, y);
  run_multiply(exec, w, active, y);
  run_multiply(exec, w, keep_all{}, xs, ys);
};

namespace checks {

template <class T, class U>
[[nodiscard]] bool overlap(const T* a, std::size_t a_size, const U* b, std::size_t b_size) {
  const std::less<const void*> before;
  return before(a, b + b_size) && before(b, a + a_size);
}

template <class E, packed_view W>
void vector_shapes(const W& w, input_vector<E> x, output_vector<E> y) {
  require<shape_error>(x.size() == w.shape.inputs, "multiply: W is ", w.shape.outputs, "x",
                       w.shape.inputs, ", so x must have ", w.shape.inputs, " elements, got ",
                       x.size());
  require<shape_error>(y.size() == w.shape.outputs, "multiply: W is ", w.shape.outputs, "x",
                       w.shape.inputs, ", so y must have ", w.shape.outputs, " elements, got ",
                       y.size());
  require<shape_error>(!overlap(x.data(), x.size(), y.data(), y.size()),
                       "multiply: x and y overlap");
}

template <class E, packed_view W>
void matrix_shapes(const W& w, input_matrix<E> x, output_matrix<E> y) {
  require<shape_error>(x.rows() == y.rows(), "multiply: X has ", x.rows(), " rows and Y ",
                       y.rows());
  require<shape_error>(x.rows() != 0, "multiply: a batch needs at least 1 row, got 0");
  require<shape_error>(x.cols() == w.shape.inputs, "multiply: W is ", w.shape.outputs, "x",
                       w.shape.inputs, ", so X must have ", w.shape.inputs, " columns, got ",
                       x.cols());
  require<shape_error>(y.cols() == w.shape.outputs, "multiply: W is ", w.shape.outputs, "x",
                       w.shape.inputs, ", so Y must have ", w.shape.outputs, " columns, got ",
                       y.cols());
  require<shape_error>(!overlap(x.data(), (x.rows() - 1) * x.stride() + x.cols(), y.data(),
                                (y.rows() - 1) * y.stride() + y.cols()),
                       "multiply: X and Y overlap");
}

template <packed_view W, class S>
void tiled(const W& w, const stacked<S>& s) {
  require<shape_error>(s.count != 0 && s.count <= stacked<S>::most, "multiply: 1 to ",
                       stacked<S>::most, " sections expected, got ", s.count);
  std::size_t at = 0;
  for (std::size_t i = 0; i < s.count; ++i) {
    require<shape_error>(s.sections[i].first == at && s.sections[i].last > at, "multiply: section ",
                         i, " must begin at output ", at, " and not be empty, got [",
                         s.sections[i].first, ", ", s.sections[i].last, ")");
    at = s.sections[i].last;
  }
  require<shape_error>(at == w.shape.outputs, "multiply: sections for ", w.shape.outputs,
                       " outputs expected, got ", at);
}

template <class E, class F>
constexpr void runs() {
  static_assert(multiplies<E, F>,
                "sparsellm: no kernel multiplies this format on this executor; "
                "docs/support-matrix.md lists the pairs that run, and sparsellm/sparsellm.hpp "
                "brings the CPU's");
}

template <class E, class Space>
constexpr void same_space() {
  static_assert(std::same_as<typename E::space, Space>,
                "sparsellm: the weight lives in another memory space than the executor computes "
                "in; pack it with an executor of that space");
}

}  // namespace checks

// One token, the channels that a pointwise sparsifier keeps: the decision is taken where the weight
// would be read. Throws shape_error when sizes do not fit.
template <executor E, packed_view W, class S>
requires(pointwise_sparsifier<S> &&
         !packed_view<S>) void multiply(E& exec, const W& w, const S& s,
                                        std::type_identity_t<input_vector<E>> x,
                                        std::type_identity_t<output_vector<E>> y) {
  checks::runs<E, typename W::format>();
  checks::vector_shapes<E>(w, x, y);
  if constexpr (multiplies<E, typename W::format>) run_multiply(exec, w, s, x, y);
}

// One token, any sparsifier, by way of an active set that the caller owns.
template <executor E, packed_view W, activation_sparsifier S>
void multiply(E& exec, const W& w, const S& s, std::type_identity_t<input_vector<E>> x,
              std::type_identity_t<output_vector<E>> y, active_set& active) {
  checks::runs<E, typename W::format>();
  checks::vector_shapes<E>(w, x, y);
  sparsify(s, x, active);
  if constexpr (multiplies<E, typename W::format>) run_multiply(exec, w, active.view(), y);
}

// One token that RMSNorm still has to pass: normalised, compared and compacted in one pass.
template <executor E, packed_view W, class S>
requires(!packed_view<S>) void multiply(E& exec, const W& w, const S& s, const normalised& x,
                                        std::type_identity_t<output_vector<E>> y) {
  checks::runs<E, typename W::format>();
  checks::vector_shapes<E>(w, x.x, y);
  if constexpr (requires { checks::tiled(w, s); }) checks::tiled(w, s);
  if constexpr (multiplies<E, typename W::format>) run_multiply(exec, w, s, x, y);
}

// Stacked projections, a sparsifier each, in one pass over x: one token, or a batch. Throws
// shape_error when the sections do not tile the outputs.
template <executor E, packed_view W, class S>
void multiply(E& exec, const W& w, const stacked<S>& s, std::type_identity_t<input_vector<E>> x,
              std::type_identity_t<output_vector<E>> y) {
  checks::runs<E, typename W::format>();
  checks::vector_shapes<E>(w, x, y);
  checks::tiled(w, s);
  if constexpr (multiplies<E, typename W::format>) run_multiply(exec, w, s, x, y);
}
template <executor E, packed_view W, class S>
void multiply(E& exec, const W& w, const stacked<S>& s, std::type_identity_t<input_matrix<E>> x,
              std::type_identity_t<output_matrix<E>> y) {
  checks::runs<E, typename W::format>();
  checks::matrix_shapes<E>(w, x, y);
  checks::tiled(w, s);
  if constexpr (multiplies<E, typename W::format>) run_multiply(exec, w, s, x, y);
}

// One token, dense.
template <executor E, packed_view W>
void multiply(E& exec, const W& w, std::type_identity_t<input_vector<E>> x,
              std::type_identity_t<output_vector<E>> y) {
  multiply(exec, w, keep_all{}, x, y);
}

// A batch, each token its own channels. Throws shape_error when sizes do not fit.
template <executor E, packed_view W, class S>
requires(!packed_view<S>) void multiply(E& exec, const W& w, const S& s,
                                        std::type_identity_t<input_matrix<E>> x,
                                        std::type_identity_t<output_matrix<E>> y) {
  static_assert(pointwise_sparsifier<S>,
                "sparsellm: a batch takes pointwise sparsifiers (magnitude or column_scaled with "
                "above); multiply token by token with an active_set for any other");
  checks::runs<E, typename W::format>();
  checks::matrix_shapes<E>(w, x, y);
  if constexpr (pointwise_sparsifier<S> && multiplies<E, typename W::format>)
    run_multiply(exec, w, s, x, y);
}

// A batch, dense.
template <executor E, packed_view W>
void multiply(E& exec, const W& w, std::type_identity_t<input_matrix<E>> x,
              std::type_identity_t<output_matrix<E>> y) {
  multiply(exec, w, keep_all{}, x, y);
}

// All of the above for a weight that owns its bytes.
template <executor E, packed_format F, class... Rest>
void multiply(E& exec, const packed_matrix<F>& w, Rest&&... rest) {
  checks::same_space<E, host_space>();
  multiply(exec, w.view(), std::forward<Rest>(rest)...);
}

// Host memory where a device computes.
template <executor E, class W, class... Rest>
requires(!std::same_as<typename E::space, host_space> &&
         (host_memory<const Rest&> || ...)) void multiply(E&, const W&, const Rest&...) {
  static_assert(!(host_memory<const Rest&> || ...),
                "sparsellm: the executor computes on a device and x or y lies in host memory; give "
                "it device views (cuda::to_device copies there)");
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
