// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The activation of a gated MLP on the CPU: silu(x) = x / (1 + e^-x), within 4 units in the last
// place and the same bits on every instruction set. Waits; allocates nothing.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector.hpp"
#include "sparsellm/cpu/products/tasks.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// out [n] = silu(gates [n]) ∘ ups [n] (SwiGLU, arXiv 2002.05202, section 2); out may be either.
// Throws shape_error when sizes differ.
template <host_executor E>
void gate(E& exec, vector_view<const float> gates, vector_view<const float> ups,
          vector_view<float> out) {
  require<shape_error>(gates.size() == out.size() && ups.size() == out.size(),
                       "gate: ", gates.size(), " gates and ", ups.size(), " values for ",
                       out.size(), " outputs");
  const detail::executor_ref on = detail::ref(exec);
  const detail::vector_table& kernels = detail::vector_kernels(on.isa);
  const bool fork = out.size() > detail::vector_tuning::serial_gates;
  const std::size_t tasks = fork ? on.concurrency() : 1;
  on.parallel_for(tasks, [&](std::size_t t) {
    const detail::index_range r = detail::share(out.size(), t, tasks);
    kernels.silu_mul(gates.data() + r.first, ups.data() + r.first, r.last - r.first,
                     out.data() + r.first);
  });
}
// The same for each token: all [tokens, n].
template <host_executor E>
void gate(E& exec, matrix_view<const float> gates, matrix_view<const float> ups,
          matrix_view<float> out) {
  require<shape_error>(gates.rows() == out.rows() && ups.rows() == out.rows(),
                       "gate: ", gates.rows(), " rows of gates and ", ups.rows(), " of values for ",
                       out.rows(), " of outputs");
  require<shape_error>(gates.cols() == out.cols() && ups.cols() == out.cols(),
                       "gate: ", gates.cols(), " gates and ", ups.cols(), " values for ",
                       out.cols(), " outputs");
  const detail::executor_ref on = detail::ref(exec);
  const detail::vector_table& kernels = detail::vector_kernels(on.isa);
  const bool fork = out.rows() * out.cols() > detail::vector_tuning::serial_gates;
  const std::size_t tasks = fork ? on.concurrency() : 1;
  on.parallel_for(tasks, [&](std::size_t task) {
    const detail::index_range r = detail::share(out.rows(), task, tasks);
    for (std::size_t t = r.first; t < r.last; ++t)
      kernels.silu_mul(gates.row(t).data(), ups.row(t).data(), out.cols(), out.row(t).data());
  });
}

// out [n] = silu(x [n]); out may be x. Throws shape_error when sizes differ.
template <host_executor E>
void silu(E& exec, vector_view<const float> x, vector_view<float> out) {
  require<shape_error>(x.size() == out.size(), "silu: ", x.size(), " inputs for ", out.size(),
                       " outputs");
  constexpr std::size_t some = 256;
  float ones[some];
  for (float& one : ones) one = 1.0f;
  const detail::executor_ref on = detail::ref(exec);
  const detail::vector_table& kernels = detail::vector_kernels(on.isa);
  const bool fork = out.size() > detail::vector_tuning::serial_gates;
  const std::size_t tasks = fork ? on.concurrency() : 1;
  on.parallel_for(tasks, [&](std::size_t t) {
    const detail::index_range r = detail::share(out.size(), t, tasks);
    for (std::size_t i = r.first; i < r.last; i += some)
      kernels.silu_mul(x.data() + i, ones, r.last - i < some ? r.last - i : some, out.data() + i);
  });
}
// The same for each token: both [tokens, n].
template <host_executor E>
void silu(E& exec, matrix_view<const float> x, matrix_view<float> out) {
  require<shape_error>(x.rows() == out.rows(), "silu: ", x.rows(), " rows of inputs for ",
                       out.rows(), " of outputs");
  for (std::size_t t = 0; t < x.rows(); ++t) silu(exec, x.row(t), out.row(t));
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
