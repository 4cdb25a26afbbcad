// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The activation of a gated MLP on a device: silu(x) = x / (1 + e^-x).
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/gate.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// ups without data: silu alone.
template <class Gate, class Up, class Out>
void launch_gate(cuda::executor& exec, matrix_view<Gate, device_space> gates,
                 matrix_view<Up, device_space> ups, matrix_view<Out, device_space> out) {
  require<shape_error>(out.rows() <= 0x7fffffffu && out.cols() <= 0x7fffffffu,
                       "gate: at most 2^31 - 1 rows and outputs, got ", out.rows(), "x",
                       out.cols());
  if (out.rows() == 0 || out.cols() == 0) return;
  const auto rows = static_cast<unsigned>(out.rows()), cols = static_cast<unsigned>(out.cols());
  const dim3 grid((cols + gate_threads - 1) / gate_threads, std::min(rows, 65535u));
  gate_kernel<std::remove_const_t<Gate>, std::remove_const_t<Up>, Out>
      <<<grid, gate_threads, 0, exec.stream()>>>(gates.data(), gates.stride(), ups.data(),
                                                 ups.stride(), rows, cols, out.data(),
                                                 out.stride());
  cuda::check(cudaGetLastError(), "gate: launch");
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// out [tokens, n] = silu(gates [tokens, n]) ∘ ups [tokens, n] (SwiGLU, arXiv 2002.05202, section
// 2), each of float, half or bfloat16: computed in float, rounded once. out may be either of its
// type. Throws shape_error when sizes differ.
template <class Gate, class Up, storage_scalar Out>
requires(storage_scalar<std::remove_const_t<Gate>> && storage_scalar<std::remove_const_t<Up>>)
void gate(cuda::executor& exec, matrix_view<Gate, device_space> gates,
          matrix_view<Up, device_space> ups, matrix_view<Out, device_space> out) {
  require<shape_error>(gates.rows() == out.rows() && ups.rows() == out.rows(),
                       "gate: ", gates.rows(), " rows of gates and ", ups.rows(), " of values for ",
                       out.rows(), " of outputs");
  require<shape_error>(gates.cols() == out.cols() && ups.cols() == out.cols(),
                       "gate: ", gates.cols(), " gates and ", ups.cols(), " values for ",
                       out.cols(), " outputs");
  detail::device::launch_gate(exec, gates, ups, out);
}
// The same for one token: all [n].
template <class Gate, class Up, storage_scalar Out>
requires(storage_scalar<std::remove_const_t<Gate>> && storage_scalar<std::remove_const_t<Up>>)
void gate(cuda::executor& exec, vector_view<Gate, device_space> gates,
          vector_view<Up, device_space> ups, vector_view<Out, device_space> out) {
  gate(exec, matrix_view<Gate, device_space>(gates.data(), 1, gates.size()),
       matrix_view<Up, device_space>(ups.data(), 1, ups.size()),
       matrix_view<Out, device_space>(out.data(), 1, out.size()));
}

// out [tokens, n] = silu(x [tokens, n]), each of float, half or bfloat16; out may be x. Throws
// shape_error when sizes differ.
template <class X, storage_scalar Out>
requires storage_scalar<std::remove_const_t<X>>
void silu(cuda::executor& exec, matrix_view<X, device_space> x,
          matrix_view<Out, device_space> out) {
  require<shape_error>(x.rows() == out.rows() && x.cols() == out.cols(), "silu: ", x.rows(), "x",
                       x.cols(), " inputs for ", out.rows(), "x", out.cols(), " outputs");
  detail::device::launch_gate(exec, x, matrix_view<const float, device_space>(), out);
}
// The same for one token: both [n].
template <class X, storage_scalar Out>
requires storage_scalar<std::remove_const_t<X>>
void silu(cuda::executor& exec, vector_view<X, device_space> x,
          vector_view<Out, device_space> out) {
  silu(exec, matrix_view<X, device_space>(x.data(), 1, x.size()),
       matrix_view<Out, device_space>(out.data(), 1, out.size()));
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
