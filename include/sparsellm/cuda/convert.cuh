// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers on the device to another type: how products take activations in half and bfloat16.
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
#include "sparsellm/cuda/kernels/convert.cuh"

// In the executor's namespace, where multiply() finds it.
namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// to [rows, columns] = from, each number widened or rounded to the nearest, in stream order;
// vectors are one row. Throws shape_error when sizes differ or are more than 2^31 - 1.
template <class From, storage_scalar To>
requires storage_scalar<std::remove_const_t<From>>
void convert(executor& exec, matrix_view<From, device_space> from,
             matrix_view<To, device_space> to) {
  require<shape_error>(from.rows() == to.rows() && from.cols() == to.cols(),
                       "cuda::convert: ", from.rows(), "x", from.cols(), " numbers to ", to.rows(),
                       "x", to.cols());
  require<shape_error>(to.rows() <= 0x7fffffffu && to.cols() <= 0x7fffffffu,
                       "cuda::convert: at most 2^31 - 1 rows and columns, got ", to.rows(), "x",
                       to.cols());
  if (to.rows() == 0 || to.cols() == 0) return;
  constexpr unsigned threads = detail::device::convert_threads;
  const auto rows = static_cast<unsigned>(to.rows()), cols = static_cast<unsigned>(to.cols());
  const dim3 grid((cols + threads - 1) / threads, std::min(rows, 65535u));
  detail::device::convert_kernel<std::remove_const_t<From>, To>
      <<<grid, threads, 0, exec.stream()>>>(from.data(), from.stride(), rows, cols, to.data(),
                                            to.stride());
  check(cudaGetLastError(), "cuda::convert: launch");
}
template <class From, storage_scalar To>
requires storage_scalar<std::remove_const_t<From>>
void convert(executor& exec, vector_view<From, device_space> from,
             vector_view<To, device_space> to) {
  convert(exec, matrix_view<From, device_space>(from.data(), 1, from.size()),
          matrix_view<To, device_space>(to.data(), 1, to.size()));
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
