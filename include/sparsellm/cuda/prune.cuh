// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stages 3 and 4 on the device: saliencies, N:M masks, packing. Every bit is what the host makes of
// the same weight.
#pragma once

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sparsellm/core/buffer.hpp"
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
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda {

// |w| · scale[channel], scale [inputs] on the device; null is 1. Magnitude, Wanda, E-Sparse.
struct scaled_magnitude {
  const float* scale = nullptr;
  __device__ float operator()(float w, std::size_t, std::size_t channel) const noexcept {
    return __fmul_rn(fabsf(w), scale == nullptr ? 1.0f : scale[channel]);
  }
};

// RIA's, of its factors on the device: 1 / Σ|W| of rows [outputs] and of columns [inputs], and the
// norms to the power a [inputs].
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

// weight_mask's words, on the device.
class device_mask {
 public:
  // Nothing kept. Throws shape_error for zero sizes.
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
  // Waits.
  [[nodiscard]] weight_mask on_host(executor& exec) const {
    weight_mask mask(shape_);
    copy(exec, words_.view(), vector_view<std::uint64_t>(mask.row(0), words_.size()));
    return mask;
  }

 private:
  extents shape_;
  device_buffer<std::uint64_t> words_;
};

[[nodiscard]] inline device_mask to_device(executor& exec, const weight_mask& mask) {
  device_mask there(exec, mask.shape());
  const std::size_t words = weight_mask::words_of(mask.shape());
  copy(exec, vector_view<const std::uint64_t>(mask.row(0), words),
       vector_view<std::uint64_t, device_space>(there.words(), words));
  return there;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda {
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
  score_kernel<std::remove_const_t<T>>
      <<<static_cast<unsigned>((n + prune_threads - 1) / prune_threads), prune_threads, 0,
         exec.stream()>>>(saliency, weight.data(), weight.stride(),
                          static_cast<unsigned>(weight.rows()),
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
  device_buffer<first_wrong> wrong =
      to_device(exec, vector_view<const first_wrong>(&nothing_wrong, 1));
  const std::size_t groups = weight.rows() * p.groups(weight.cols());
  static_assert(sizeof(unsigned long long) == sizeof(std::uint64_t));
  mask_kernel<std::remove_const_t<T>>
      <<<static_cast<unsigned>((groups + prune_threads - 1) / prune_threads), prune_threads, 0,
         exec.stream()>>>(
          saliency, weight.data(), weight.stride(), static_cast<unsigned>(weight.rows()),
          static_cast<unsigned>(weight.cols()), p,
          reinterpret_cast<unsigned long long*>(mask.words()), mask.row_words(), wrong.data());
  check(cudaGetLastError(), "cuda::best_of_groups: launch");
  const first_wrong at = to_host(exec, wrong)[0];
  require<value_error>(at == nothing_wrong, "cuda::best_of_groups: the saliency of weight [",
                       at / weight.cols(), ", ", at % weight.cols(),
                       "] is not a finite number from 0 on");
  return mask;
}

// n_of_m of the weights [outputs, inputs] that the mask keeps, on the device. Waits. Throws
// shape_error for a mask of another shape, value_error when it does not follow the format's pattern
// or a kept weight is not finite as the storage type.
template <class F, class T>
requires storage_scalar<std::remove_const_t<T>>
[[nodiscard]] device_matrix<F> pack_masked(executor& exec, matrix_view<T, device_space> weight,
                                           const device_mask& mask) {
  using stored = std::remove_const_t<T>;
  const extents e{weight.rows(), weight.cols()};
  require<shape_error>(mask.shape() == e, "cuda::pack_masked: a mask of ", e.outputs, "x", e.inputs,
                       " expected, got ", mask.shape().outputs, "x", mask.shape().inputs);
  const std::size_t bytes = F::bytes(e) + F::slack_bytes;
  device_buffer<std::byte> storage(exec.stream(), bytes);
  check(cudaMemsetAsync(storage.data(), 0, bytes, exec.stream()), "cuda::pack_masked");
  const auto view = F::template make_view<device_space>(storage.data(), e);
  const auto rows = static_cast<unsigned>(e.outputs), cols = static_cast<unsigned>(e.inputs);

  const first_wrong none[2] = {nothing_wrong, nothing_wrong};
  device_buffer<first_wrong> wrong = to_device(exec, vector_view<const first_wrong>(none, 2));
  auto* const scales = const_cast<float*>(view.scales);  // lie in `storage`
  check_kernel<F, stored>
      <<<(rows + prune_threads - 1) / prune_threads, prune_threads, 0, exec.stream()>>>(
          weight.data(), weight.stride(), rows, cols, mask.words(), mask.row_words(), scales,
          wrong.data(), wrong.data() + 1);
  check(cudaGetLastError(), "cuda::pack_masked: launch");
  const buffer<first_wrong> found = to_host(exec, wrong);
  require<value_error>(found[0] == nothing_wrong, "cuda::pack_masked: the mask does not keep ",
                       F::pattern.n, " of every ", F::pattern.m, " from [", found[0] / e.inputs,
                       ", ", found[0] % e.inputs, "] on");
  require<value_error>(found[1] == nothing_wrong, "cuda::pack_masked: weight [",
                       found[1] / e.inputs, ", ", found[1] % e.inputs,
                       "] is not a finite number that fits ", stored_as<F>());

  const auto blocks = static_cast<unsigned>(view.blocks());
  const auto padded = static_cast<unsigned>(view.strips() * strip_rows);
  pack_kernel<F, stored><<<dim3((padded + prune_threads - 1) / prune_threads, blocks),
                           prune_threads, 0, exec.stream()>>>(weight.data(), weight.stride(), rows,
                                                              cols, mask.words(), mask.row_words(),
                                                              scales, storage.data(), blocks);
  check(cudaGetLastError(), "cuda::pack_masked: launch");
  return {e, std::move(storage)};
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cuda
