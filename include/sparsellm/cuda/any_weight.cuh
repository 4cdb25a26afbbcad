// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// any_weight on a device: a packed weight whose format is chosen at run time, and its products.
// Every format of the list is compiled for every sparsifier that a file uses: one file of a program
// should do that. Not in cuda.cuh, for the list brings the host's products.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/elements.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/cuda/multiply_rows.cuh"
#include "sparsellm/cuda/workspace.cuh"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/model/weight_format.hpp"
#include "sparsellm/pack/element.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/pack/format.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <packed_format F>
inline constexpr bool has_products = has_kernels<typename F::element>;

template <packed_format... F>
[[nodiscard]] bool in_list(format_list<F...>, weight_format format) {
  return ((has_products<F> && detail::value_of<F>() == format) || ...);
}
inline void check_products(weight_format format) {
  require<value_error>(in_list(detail::any_formats{}, format),
                       "cuda: no products of q5_0, q5_1, iq4_nl, q4_k, q5_k and q6_k, got ",
                       describe(format), "; weights of another element expected");
}

template <packed_format F, class Body>
bool visit_one(const any_view<device_space>& w, const Body& body) {
  if constexpr (has_products<F>) {
    if (w.functions->format != detail::value_of<F>()) return false;
    body(F::template make_view<device_space>(w.storage, w.shape));
    return true;
  } else {
    return false;
  }
}

// body(view) of the format that w has; the list holds it, for any_weight checked. Throws
// value_error for a format that has no products.
template <class... F, class Body>
void visit(format_list<F...>, const any_view<device_space>& w, const Body& body) {
  check_products(w.functions->format);
  (void)(visit_one<F>(w, body) || ...);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

// A copy of the weight on the device, in stream order. Allocates it. Throws value_error for q5_0,
// q5_1, iq4_nl, q4_k, q5_k and q6_k, which have no products there.
[[nodiscard]] inline basic_any_weight<device_space> to_device(executor& exec,
                                                              const any_weight& weight) {
  detail::device::check_products(weight.format());
  return {weight.format(), weight.shape(), to_device(exec, weight.storage_view())};
}

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Rest: what run_multiply() takes for a view whose format is known.
template <class... Rest>
void run_multiply(cuda::executor& exec, const detail::any_view<device_space>& w,
                  const Rest&... rest) {
  detail::device::visit(detail::any_formats{}, w,
                        [&](const auto& view) { run_multiply(exec, view, rest...); });
}

// multiply(), multiply_gated() and multiply_rows() take, throw and do what they do for weights
// whose format is known when they are compiled, and give the same bits.
template <class... Rest>
void multiply(cuda::executor& exec, const basic_any_weight<device_space>& w, Rest&&... rest) {
  multiply(exec, w.view(), std::forward<Rest>(rest)...);
}
template <class... Rest>
void multiply_gated(cuda::executor& exec, const basic_any_weight<device_space>& w, Rest&&... rest) {
  detail::device::visit(detail::any_formats{}, w.view(),
                        [&](const auto& view) { multiply_gated(exec, view, rest...); });
}
// Throws value_error, too, for layouts other than row_major.
template <class... Rest>
void multiply_rows(cuda::executor& exec, const basic_any_weight<device_space>& w, Rest&&... rest) {
  detail::device::visit(detail::any_formats{}, w.view(), [&](const auto& view) {
    if constexpr (detail::row_view<std::remove_cvref_t<decltype(view)>>)
      multiply_rows(exec, view, rest...);
    else
      raise<value_error>(
          concat("multiply_rows: a row_major weight expected, got ", detail::describe(w.format())));
  });
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// As for weights whose format is known when they are compiled.
template <storage_scalar X = float>
[[nodiscard]] std::size_t workspace_bytes(const basic_any_weight<device_space>& w,
                                          std::size_t tokens) {
  std::size_t bytes = 0;
  detail::device::visit(detail::any_formats{}, w.view(),
                        [&](const auto& view) { bytes = workspace_bytes<X>(view, tokens); });
  return bytes;
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
