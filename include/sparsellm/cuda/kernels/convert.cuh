// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers of one type to another: widened exactly, or rounded to the nearest, ties to even.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/cuda/config.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline constexpr unsigned convert_threads = 256;

// to [rows, cols] = from [rows, cols]. Grid: [cols / convert_threads, any number of rows].
template <storage_scalar From, storage_scalar To>
static __global__ void convert_kernel(const From* from, std::size_t from_stride, unsigned rows,
                                      unsigned cols, To* to, std::size_t to_stride) {
  const unsigned c = blockIdx.x * convert_threads + threadIdx.x;
  if (c >= cols) return;
  for (unsigned r = blockIdx.y; r < rows; r += gridDim.y)
    to[r * to_stride + c] = narrow<To>(widen(from[r * from_stride + c]));
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
