// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The first half of a gated MLP in one pass: h = silu(gate · x) ∘ (up · x), and the channels of h
// that the down projection will read. channel_major weights of floats apply the gate where their
// parts are added; the bits are those of multiply() and then gate() for every format.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/gate.hpp"
#include "sparsellm/cpu/products/brick_product.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/run_multiply.hpp"
#include "sparsellm/multiply/checks.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// The views that can gate while they multiply one token.
template <class V>
concept gates_in_place =
    brick_view<V> && packed_view<V> && V::format::layout == layout_kind::channel_major;

template <class E, class V>
void gated_tokens(E& exec, const V& w, const selection& s, const token_inputs& x,
                  std::size_t tokens, matrix_view<float> h) {
  const executor_ref on = ref(exec);
  if constexpr (gates_in_place<V>)
    if (tokens == 1) return brick_gated_product<typename V::element>(on, w, s, x, h.data());
  if constexpr (is_runtime_view<V>)
    if (tokens == 1 && w.functions->gated != nullptr)
      return w.functions->gated(on, w.storage, w.shape, s, x, h.data());
  const std::size_t hidden = h.cols();
  const matrix_view<float> both(exec.activations(tokens * 2 * hidden).data(), tokens, 2 * hidden);
  product(on, w, s, x, tokens, both);
  gate(exec, matrix_view<const float>(both.data(), tokens, hidden, 2 * hidden),
       matrix_view<const float>(both.data() + hidden, tokens, hidden, 2 * hidden), h);
}

template <class E, class Next>
void list_next(E& exec, const Next& next, vector_view<float> h, active_set<>& active) {
  require<shape_error>(active.capacity() >= h.size(), "multiply_gated: h has ", h.size(),
                       " channels, and the active set holds ", active.capacity());
  active.resize(list_kept<Next>(&next, isa_of(exec), inputs_of(vector_view<const float>(h))[0], 0,
                                h.size(), active.index_storage(), active.value_storage()));
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// h = silu(gate · x) ∘ (up · x). W [2 · hidden, inputs]: gate stacked on up; s: a pointwise
// sparsifier, or one for each section of W's outputs. x [inputs]: floats, or `normalised`; h
// [hidden]. Throws shape_error when sizes do not fit or sections do not cover the outputs. Waits;
// allocates nothing once the executor's memory has grown.
template <host_executor E, detail::has_product V, class S>
void multiply_gated(E& exec, const V& w, const S& s,
                    std::type_identity_t<vector_view<const float>> x,
                    std::type_identity_t<vector_view<float>> h) {
  if constexpr (detail::fuses<S>()) {
    detail::check_weight(w);
    detail::check_gated(w.shape, x.size(), h.size());
    detail::check_sections(s, 0, w.shape.outputs);
    detail::gated_tokens(exec, w, detail::select_all(s, w.shape.outputs), detail::inputs_of(x), 1,
                         matrix_view<float>(h.data(), 1, h.size()));
  }
}
template <host_executor E, detail::has_product V, class S>
void multiply_gated(E& exec, const V& w, const S& s, const normalised& x,
                    std::type_identity_t<vector_view<float>> h) {
  if constexpr (detail::fuses<S>()) {
    detail::check_weight(w);
    detail::check_gated(w.shape, x.size(), h.size());
    detail::check_sections(s, 0, w.shape.outputs);
    detail::gated_tokens(exec, w, detail::select_all(s, w.shape.outputs), detail::inputs_of(x), 1,
                         matrix_view<float>(h.data(), 1, h.size()));
  }
}
// The same for a batch: x [tokens, inputs], h [tokens, hidden].
template <host_executor E, detail::has_product V, class S>
void multiply_gated(E& exec, const V& w, const S& s,
                    std::type_identity_t<matrix_view<const float>> x,
                    std::type_identity_t<matrix_view<float>> h) {
  if constexpr (detail::fuses<S>()) {
    detail::check_weight(w);
    detail::check_gated(w.shape, x.cols(), h.cols());
    detail::check_floats(x.data(), h.data());
    require<shape_error>(x.rows() == h.rows() && x.rows() != 0, "multiply_gated: X has ", x.rows(),
                         " rows and H ", h.rows());
    detail::check_sections(s, 0, w.shape.outputs);
    detail::gated_tokens(exec, w, detail::select_all(s, w.shape.outputs), detail::inputs_of(x),
                         x.rows(), h);
  }
}

// One token, and `active` receives what `next` keeps of h, ready for the down projection. Throws
// shape_error, too, when `active` has no room for h.
template <host_executor E, detail::has_product V, class S, class X, pointwise_sparsifier Next>
void multiply_gated(E& exec, const V& w, const S& s, const X& x,
                    std::type_identity_t<vector_view<float>> h, const Next& next,
                    active_set<>& active) {
  multiply_gated(exec, w, s, x, h);
  detail::list_next(exec, next, h, active);
}

// All of the above for a weight that owns its bytes.
template <host_executor E, packed_format F, class... Rest>
void multiply_gated(E& exec, const packed_matrix<F>& w, Rest&&... rest) {
  multiply_gated(exec, w.view(), std::forward<Rest>(rest)...);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
