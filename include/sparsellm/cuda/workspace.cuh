// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How much memory products need, for callers who give the executor a workspace of their own.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/top_k_memory.cuh"
#include "sparsellm/cuda/multiply.cuh"
#include "sparsellm/cuda/multiply_gated.cuh"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/packed_matrix.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Of 1 to `tokens` tokens.
template <device_rows V>
[[nodiscard]] std::size_t few_scratch(const V&, std::size_t) noexcept {
  return 0;
}
template <device_channels V>
[[nodiscard]] std::size_t few_scratch(const V& w, std::size_t tokens) {
  return scratch_of(w, tokens);
}
template <device_nm V>
[[nodiscard]] std::size_t few_scratch(const V&, std::size_t) noexcept {
  return 0;
}
template <device_bitmap V>
[[nodiscard]] std::size_t few_scratch(const V& w, std::size_t tokens) {
  return scratch_of(w, tokens);
}
template <multiplied V>
[[nodiscard]] std::size_t product_scratch(const V& w, std::size_t tokens) {
  using F = typename V::format;
  const std::size_t few = std::max(few_scratch(w, tokens), top_k_scratch(w.shape.inputs, tokens));
  if constexpr (device_nm<V>) {
    if constexpr (on_sparse_tensor_cores<F>)
      return tokens > few_tokens ? std::max(few, semi_structured_scratch(w, tokens)) : few;
  }
  if constexpr (on_tensor_cores<F>)
    return tokens > few_tokens ? std::max(few, tiled_scratch(weight_of(w), tokens)) : few;
  else
    return few;
}

// Floats that a verb keeps beside its scratch: an active set scattered, the rows asked for, or gate
// and up where they are no whole lanes; activations that are not floats, behind the former.
template <multiplied V>
[[nodiscard]] std::size_t held_floats(const V& w, std::size_t tokens, bool narrow) {
  const std::size_t in = tokens * w.shape.inputs, out = tokens * w.shape.outputs,
                    gated = w.shape.outputs % 2 == 0 ? gated_floats(w, tokens) : 0;
  std::size_t most = std::max({w.shape.inputs, w.shape.outputs, gated});
  if (!narrow) return most;
  most = std::max({most, w.shape.inputs + in + out, gated + in + out / 2});
  if constexpr (device_rows<V>)  // scores, or marks
    most = std::max({most, out + in + out, w.shape.outputs + in + out});
  return most;
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Bytes of a workspace (executor::set_workspace()) in which multiply(), multiply_gated() and
// multiply_rows() of W [outputs, inputs] with 1 to `tokens` tokens allocate nothing, active sets
// and sparsify() of its inputs included; a multiple of workspace_alignment. X: what activations
// are, half and bfloat16 need more than float. Of several weights the largest serves all. Depends
// on the shape and the format alone. Throws shape_error for shapes that products refuse and for 0
// tokens.
template <storage_scalar X = float, detail::device::multiplied V>
[[nodiscard]] std::size_t workspace_bytes(const V& w, std::size_t tokens) {
  detail::device::check_shape(w.shape);
  require<shape_error>(tokens != 0, "cuda::workspace_bytes: at least 1 token expected, got 0");
  const auto rounded = [](std::size_t bytes) {
    return (bytes + workspace_alignment - 1) / workspace_alignment * workspace_alignment;
  };
  return rounded(detail::device::product_scratch(w, tokens)) +
         rounded(sizeof(float) * detail::device::held_floats(w, tokens, !std::same_as<X, float>));
}
template <storage_scalar X = float, packed_format F>
[[nodiscard]] std::size_t workspace_bytes(const packed_matrix<F, device_space>& w,
                                          std::size_t tokens) {
  return workspace_bytes<X>(w.view(), tokens);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
