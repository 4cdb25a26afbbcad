// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 5, multiply: y [outputs] = W [outputs, inputs] · s(x [inputs]), and the same for a batch,
// Y [tokens, outputs] from X [tokens, inputs]. One signature for every executor; backends supply
// run_multiply(), found by overloading. x and y must not overlap. On a host executor multiply()
// returns when y is there; on a device's it only gives the work to the stream. Nothing is allocated
// once the executor's memory has grown to what the call needs, unless a form says so. All forms
// throw value_error for a packed weight whose bytes are not aligned to packed_alignment, a
// row_major one's to its element, and floats that are not aligned as such.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/activations.hpp"
#include "sparsellm/multiply/checks.hpp"
#include "sparsellm/multiply/host_memory.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/sparsify.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// All forms are forced inline. run_multiply() of a device is compiled for a list of architectures
// and named after it; an out-of-line multiply() would be one function for files of different lists.

// y [outputs] for one token whose channels are listed already. Throws shape_error when sizes do not
// fit or, on the host, a listed channel is not there.
template <executor E, detail::weight_view W>
SPARSELLM_INLINE void multiply(E& exec, const W& w, active_view<typename W::space> active,
                               std::type_identity_t<output_vector<E>> y) {
  if constexpr (detail::runs<E, W>()) {
    detail::check_weight(w);
    detail::check_outputs(w.shape, y.size());
    detail::check_listed(w.shape, active);
    run_multiply(exec, w, active, y);
  }
}
template <executor E, detail::weight_view W>
SPARSELLM_INLINE void multiply(E& exec, const W& w, const active_set<typename W::space>& active,
                               std::type_identity_t<output_vector<E>> y) {
  multiply(exec, w, active.view(), y);
}

// y [outputs] for one token x [inputs], with the channels that a sparsifier keeps, or for each
// section those that its own keeps. Throws shape_error when sizes do not fit, x and y overlap, or
// sections do not cover the outputs.
template <executor E, detail::weight_view W, class S>
requires detail::fused_sparsifier<S>
SPARSELLM_INLINE void multiply(E& exec, const W& w, const S& s,
                               std::type_identity_t<input_vector<E>> x,
                               std::type_identity_t<output_vector<E>> y) {
  if constexpr (detail::runs<E, W>()) {
    detail::check_weight(w);
    detail::check_vectors(w.shape, x, y);
    detail::check_sections(s, 0, w.shape.outputs);
    run_multiply(exec, w, s, x, y);
  }
}

// The same for x that RMSNorm still has to pass: normalised, compared and compacted in one pass.
template <host_executor E, detail::weight_view W, class S>
SPARSELLM_INLINE void multiply(E& exec, const W& w, const S& s, const normalised& x,
                               std::type_identity_t<output_vector<E>> y) {
  if constexpr (detail::runs<E, W>() && detail::fuses<S>()) {
    detail::check_weight(w);
    detail::check_vectors(w.shape, x.x, y);
    detail::check_sections(s, 0, w.shape.outputs);
    run_multiply(exec, w, s, x, y);
  }
}

// One token, any sparsifier, by way of an active set that the caller owns and makes once. Throws
// shape_error when sizes do not fit, x and y overlap, or the set has no room for x.
template <executor E, detail::weight_view W, class S>
SPARSELLM_INLINE void multiply(E& exec, const W& w, const S& s,
                               std::type_identity_t<input_vector<E>> x,
                               std::type_identity_t<output_vector<E>> y,
                               active_set<typename E::space>& active) {
  if constexpr (detail::runs<E, W>()) {
    detail::check_weight(w);
    detail::check_vectors(w.shape, x, y);
    sparsify(exec, s, x, active);
    run_multiply(exec, w, active.view(), y);
  }
}

// One token, a sparsifier that sees all scores (top_k), without a set of the caller's own: one is
// allocated for the call.
template <executor E, detail::weight_view W, class S>
requires(!detail::fused_sparsifier<S> && !detail::weight_view<S> && !detail::is_active<S>)
SPARSELLM_INLINE void multiply(E& exec, const W& w, const S& s,
                               std::type_identity_t<input_vector<E>> x,
                               std::type_identity_t<output_vector<E>> y) {
  if constexpr (detail::is_stacked<S>) {
    (void)detail::fuses<S>();
  } else {
    active_set active(exec, w.shape.inputs);
    multiply(exec, w, s, x, y, active);
  }
}

// A batch: Y [tokens, outputs] from X [tokens, inputs], each token with the channels that are kept
// of it. Throws shape_error when sizes do not fit, X and Y overlap, or sections do not cover the
// outputs.
template <executor E, detail::weight_view W, class S>
requires(!detail::weight_view<S>)
SPARSELLM_INLINE void multiply(E& exec, const W& w, const S& s,
                               std::type_identity_t<input_matrix<E>> x,
                               std::type_identity_t<output_matrix<E>> y) {
  if constexpr (detail::runs<E, W>() && detail::fuses<S>()) {
    detail::check_weight(w);
    detail::check_matrices(w.shape, x, y);
    detail::check_sections(s, 0, w.shape.outputs);
    run_multiply(exec, w, s, x, y);
  }
}

// Activations in half or bfloat16, in or out or both, vectors or matrices: widened to float and
// rounded once at the end, so the bits are those of the float product, rounded.
template <executor E, detail::weight_view W, class S, class X, class Y>
requires(!detail::is_active<S> && (detail::narrow_activations<X> || detail::narrow_activations<Y>))
SPARSELLM_INLINE void multiply(E& exec, const W& w, const S& s, X&& x, Y&& y) {
  const detail::float_activations floats(exec, detail::as_view(x), detail::as_view(y),
                                         w.shape.inputs);
  multiply(exec, w, s, floats.x(), floats.y());
  floats.round();
}
template <executor E, detail::weight_view W, class A, class Y>
requires(detail::is_active<A> && detail::narrow_activations<Y>)
SPARSELLM_INLINE void multiply(E& exec, const W& w, const A& active, Y&& y) {
  const detail::float_activations floats(exec, vector_view<const float, typename E::space>(),
                                         detail::as_view(y), w.shape.inputs);
  multiply(exec, w, active, floats.y());
  floats.round();
}

// Dense: every channel of one token or a batch. Throws as the forms with a sparsifier.
template <executor E, detail::weight_view W, class X, class Y>
requires(!detail::is_active<X>)
SPARSELLM_INLINE void multiply(E& exec, const W& w, X&& x, Y&& y) {
  multiply(exec, w, keep_all{}, std::forward<X>(x), std::forward<Y>(y));
}

// All of the above for a weight that owns its bytes.
template <executor E, packed_format F, class Space, class... Rest>
SPARSELLM_INLINE void multiply(E& exec, const packed_matrix<F, Space>& w, Rest&&... rest) {
  if constexpr (detail::same_space<E, Space>())
    multiply(exec, w.view(), std::forward<Rest>(rest)...);
}

// Host memory where a device computes.
template <executor E, class W, class... Rest>
requires(!std::same_as<typename E::space, host_space> && (detail::host_memory<Rest> || ...))
SPARSELLM_INLINE void multiply(E&, const W&, const Rest&...) {
  static_assert(!(detail::host_memory<Rest> || ...),
                "sparsellm: the executor computes on a device and x or y lies in host memory; give "
                "it device views (cuda::to_device copies there)");
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
