// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Saliencies and N:M masks on the device. Every bit is what the host makes of the same weight.
#pragma once

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/prune.cuh"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {

// Blocks for a thread a weight, or a group. Throws shape_error for more than a grid has.
[[nodiscard]] inline unsigned prune_blocks(std::size_t threads) {
  const std::size_t blocks = (threads + prune_threads - 1) / prune_threads;
  require<shape_error>(blocks <= 0x7fffffffu, "cuda: at most 2^38 weights are pruned at once, got ",
                       threads);
  return static_cast<unsigned>(blocks);
}

}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

// |w| · scale[channel], scale [inputs] on the device and borrowed; null is 1. Magnitude, Wanda and
// E-Sparse, as sparsellm::scaled_magnitude on the host.
struct scaled_magnitude {
  const float* scale = nullptr;
  __device__ float operator()(float w, std::size_t, std::size_t channel) const noexcept {
    return __fmul_rn(fabsf(w), scale == nullptr ? 1.0f : scale[channel]);
  }
};

// RIA from its factors, which lie on the device and are borrowed: 1 / Σ|W| of rows [outputs] and of
// columns [inputs], and the norms to the power a [inputs]. As sparsellm::ria on the host.
struct ria_saliency {
  const float* row;
  const float* column;
  const float* norm;
  __device__ float operator()(float w, std::size_t r, std::size_t c) const noexcept {
    const float magnitude = fabsf(w);
    return __fmul_rn(__fadd_rn(__fmul_rn(magnitude, column[c]), __fmul_rn(magnitude, row[r])),
                     norm[c]);
  }
};

// A weight_mask whose words lie on the device.
class device_mask {
 public:
  // Nothing kept. Allocates in stream order; throws as device_buffer does.
  device_mask(executor& exec, extents shape)
      : shape_(shape), words_(exec.stream(), weight_mask::words_of(shape)) {
    check(cudaMemsetAsync(words_.data(), 0, words_.size() * sizeof(std::uint64_t), exec.stream()),
          "cuda::device_mask");
  }
  [[nodiscard]] extents shape() const noexcept { return shape_; }
  [[nodiscard]] unsigned row_words() const noexcept {
    return static_cast<unsigned>((shape_.inputs + 63) / 64);
  }
  [[nodiscard]] const std::uint64_t* words() const noexcept { return words_.data(); }
  [[nodiscard]] std::uint64_t* words() noexcept { return words_.data(); }
  // A copy on the host. Waits; allocates it.
  [[nodiscard]] weight_mask on_host(executor& exec) const {
    weight_mask mask(shape_);
    copy(exec, words_.view(), vector_view<std::uint64_t>(mask.row(0), words_.size()));
    return mask;
  }

 private:
  extents shape_;
  device_buffer<std::uint64_t> words_;
};

// A copy of a mask on the device, in stream order. Allocates it.
[[nodiscard]] inline device_mask to_device(executor& exec, const weight_mask& mask) {
  device_mask there(exec, mask.shape());
  const std::size_t words = weight_mask::words_of(mask.shape());
  copy(exec, vector_view<const std::uint64_t>(mask.row(0), words),
       vector_view<std::uint64_t, device_space>(there.words(), words));
  return there;
}

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// out [outputs, inputs] = the saliency of each weight, as score_weights() of the host. Throws
// shape_error when the sizes differ.
template <class T, class S>
requires storage_scalar<std::remove_const_t<T>>
void score_weights(executor& exec, matrix_view<T, device_space> weight, const S& saliency,
                   matrix_view<float, device_space> out) {
  require<shape_error>(weight.rows() == out.rows() && weight.cols() == out.cols(),
                       "cuda::score_weights: scores of ", weight.rows(), "x", weight.cols(),
                       " expected, got ", out.rows(), "x", out.cols());
  const std::size_t n = weight.rows() * weight.cols();
  if (n == 0) return;
  detail::device::score_kernel<std::remove_const_t<T>>
      <<<detail::device::prune_blocks(n), detail::device::prune_threads, 0, exec.stream()>>>(
          saliency, weight.data(), weight.stride(), static_cast<unsigned>(weight.rows()),
          static_cast<unsigned>(weight.cols()), out.data(), out.stride());
  check(cudaGetLastError(), "cuda::score_weights: launch");
}

// The best N of every M channels of each row of a weight [outputs, inputs] by `saliency` (w, row,
// channel) -> float, on the device. Waits. Throws value_error for a pattern that is none and for a
// saliency that is NaN, infinite or negative.
template <class T, class S>
requires storage_scalar<std::remove_const_t<T>>
[[nodiscard]] device_mask best_of_groups(executor& exec, nm_pattern p,
                                         matrix_view<T, device_space> weight, const S& saliency) {
  sparsellm::check(p);
  device_mask mask(exec, {weight.rows(), weight.cols()});
  device_buffer<detail::device::first_wrong> wrong = to_device(
      exec, vector_view<const detail::device::first_wrong>(&detail::device::nothing_wrong, 1));
  const std::size_t groups = weight.rows() * p.groups(weight.cols());
  static_assert(sizeof(unsigned long long) == sizeof(std::uint64_t));
  detail::device::mask_kernel<std::remove_const_t<T>>
      <<<detail::device::prune_blocks(groups), detail::device::prune_threads, 0, exec.stream()>>>(
          saliency, weight.data(), weight.stride(), static_cast<unsigned>(weight.rows()),
          static_cast<unsigned>(weight.cols()), p,
          reinterpret_cast<unsigned long long*>(mask.words()), mask.row_words(), wrong.data());
  check(cudaGetLastError(), "cuda::best_of_groups: launch");
  const detail::device::first_wrong at = to_host(exec, wrong)[0];
  require<value_error>(at == detail::device::nothing_wrong,
                       "cuda::best_of_groups: the saliency of weight [", at / weight.cols(), ", ",
                       at % weight.cols(), "] is not a finite number from 0 on");
  return mask;
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
