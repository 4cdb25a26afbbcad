// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// run_multiply() for host executors: every view that has a product() (multiply_brick.hpp and its
// like supply them) is multiplied, whatever the executor and the sparsifier.
#pragma once

#include <concepts>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/multiply/checks.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// A view that some header of this folder multiplies.
template <class V>
concept has_product =
    weight_view<V> &&
    requires(const executor_ref& exec, const V& w, const selection& s, const token_inputs& x,
             std::size_t tokens, matrix_view<float> y) { product(exec, w, s, x, tokens, y); };

template <pointwise_sparsifier S>
[[nodiscard]] selection select_all(const stacked<S>& s, std::size_t) noexcept {
  return select_by(s);
}
template <pointwise_sparsifier S>
[[nodiscard]] selection select_all(const S& s, std::size_t outputs) noexcept {
  return select_by(s, 0, outputs);
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// One token: X is a vector_view, `normalised` or an active_view; y [outputs]. Sizes are not
// checked: multiply() has done that. Waits; allocates nothing once the executor's memory has grown.
template <host_executor E, detail::has_product V, detail::fused_sparsifier S, class X>
void run_multiply(E& exec, const V& w, const S& s, const X& x, vector_view<float> y)
requires requires { detail::inputs_of(x); }
{
  product(detail::ref(exec), w, detail::select_all(s, w.shape.outputs), detail::inputs_of(x), 1,
          matrix_view<float>(y.data(), 1, y.size()));
}

// The same for one token whose channels are listed.
template <host_executor E, detail::has_product V>
void run_multiply(E& exec, const V& w, active_view<> active, vector_view<float> y) {
  run_multiply(exec, w, keep_all{}, active, y);
}

// The same for a batch: x [tokens, inputs], y [tokens, outputs].
template <host_executor E, detail::has_product V, detail::fused_sparsifier S>
void run_multiply(E& exec, const V& w, const S& s, matrix_view<const float> x,
                  matrix_view<float> y) {
  product(detail::ref(exec), w, detail::select_all(s, w.shape.outputs), detail::inputs_of(x),
          x.rows(), y);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
