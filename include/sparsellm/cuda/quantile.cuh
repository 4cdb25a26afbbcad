// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Exact quantiles of |x|, for who has the activations at hand and wants the threshold that skips
// just this share of them. Three passes over x, which stays as it is. device_histogram is for
// activations that come batch after batch.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/radix_select.cuh"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// The smallest |value| of x [rows, cols] that at least a share q of them does not exceed; 0 for q
// = 0. Waits. Throws value_error when q is outside [0, 1], when x is empty and when it holds NaN or
// infinities, as histogram::quantile() does.
[[nodiscard]] inline float exact_quantile(executor& exec, matrix_view<const float, device_space> x,
                                          double q) {
  require<value_error>(q >= 0.0 && q <= 1.0,
                       "cuda::exact_quantile: the quantile must be in [0, 1], got ", q);
  require<value_error>(x.rows() != 0 && x.cols() != 0, "cuda::exact_quantile: x is empty");
  require<shape_error>(x.rows() <= 0x7fffffffu && x.cols() <= 0x7fffffffu,
                       "cuda::exact_quantile: at most 2^31 - 1 rows and columns, got ", x.rows(),
                       "x", x.cols());
  const std::size_t n = x.rows() * x.cols();
  const auto at_most = static_cast<unsigned long long>(std::ceil(q * static_cast<double>(n)));
  const detail::device::selection start{at_most == 0 ? 0 : at_most - 1, 0, 0};
  device_buffer<detail::device::selection> chosen =
      to_device(exec, vector_view<const detail::device::selection>(&start, 1));
  device_buffer<unsigned long long> counts(exec.stream(), detail::device::wide_digits);
  check(cudaMemsetAsync(counts.data(), 0, detail::device::wide_digits * sizeof(unsigned long long),
                        exec.stream()),
        "cuda::exact_quantile");
  constexpr unsigned threads = 256;
  const auto blocks = static_cast<unsigned>(
      std::min<std::size_t>((n + threads - 1) / threads, 8 * exec.device().multiprocessors));
  constexpr unsigned ends[] = {31, 20, 10, 0};  // of digits: 11, 10 and 10 bits
  for (unsigned pass = 0; pass < 3; ++pass) {
    detail::device::count_digits_kernel<<<blocks, threads, 0, exec.stream()>>>(
        x.data(), x.stride(), static_cast<unsigned>(x.rows()), static_cast<unsigned>(x.cols()),
        ends[pass + 1], ends[pass], chosen.data(), counts.data());
    detail::device::choose_digit_kernel<<<1, detail::device::rank_threads, 0, exec.stream()>>>(
        ends[pass + 1], chosen.data(), counts.data());
    check(cudaGetLastError(), "cuda::exact_quantile: launch");
  }
  const detail::device::selection found = to_host(exec, chosen)[0];
  require<value_error>(found.non_finite == 0, "cuda::exact_quantile: ", found.non_finite,
                       " of the values are NaN or infinite");
  return at_most == 0 ? 0.0f : std::bit_cast<float>(found.prefix);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
