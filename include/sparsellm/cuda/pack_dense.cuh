// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// pack() of dense and quantised formats on the device: the bytes are what the host packs of the
// same weight. Pruned formats: cuda/pack.cuh, which needs CUB.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <type_traits>
#include <utility>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/elements.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/pack_dense.cuh"
#include "sparsellm/pack/brick_weight.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/pack/row_major.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

[[nodiscard]] inline unsigned pack_grid(std::size_t threads) {
  const std::size_t blocks = (threads + pack_threads - 1) / pack_threads;
  require<shape_error>(blocks <= 0x7fffffffu, "pack: at most 2^39 weights expected, got ", threads);
  return static_cast<unsigned>(blocks);
}

template <storage_scalar T, storage_scalar U>
void pack_dense(cuda::executor& exec, const given_weight<U>& w, const row_weight<T>& to) {
  pack_rows_kernel<T, U>
      <<<pack_grid(w.shape.outputs * w.shape.inputs), pack_threads, 0, exec.stream()>>>(
          w, const_cast<T*>(to.data));
}
template <storage_scalar T, storage_scalar U>
void pack_dense(cuda::executor& exec, const given_weight<U>& w, const brick_weight<T>& to) {
  pack_bricks_kernel<T, U>
      <<<pack_grid(to.strips() * brick_outputs * w.shape.inputs), pack_threads, 0, exec.stream()>>>(
          w, to);
}
template <quantized_element Q, storage_scalar U>
void pack_quantized(cuda::executor& exec, const given_weight<U>& w,
                    const quantized_weight<Q::bits, Q::affine>& to) {
  pack_levels_kernel<Q, U>
      <<<pack_grid(to.strips() * to.blocks() * strip_bytes), pack_threads, 0, exec.stream()>>>(w,
                                                                                               to);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// row_major, panel or channel_major of a weight [outputs, inputs] on the device, of floats and of
// levels of 8 and 4 bits. Waits. Throws shape_error for zero sizes, value_error for a weight that
// is not finite or too large for the element.
template <packed_format F, class T>
requires(!is_pruned(F::layout) && detail::device::has_kernels<typename F::element> &&
         storage_scalar<std::remove_const_t<T>>)
[[nodiscard]] packed_matrix<F, device_space> pack(cuda::executor& exec,
                                                  matrix_view<T, device_space> weight) {
  using detail::device::first_wrong, detail::device::nothing_wrong, detail::device::pack_threads;
  using stored = std::remove_const_t<T>;
  const extents e{weight.rows(), weight.cols()};
  const detail::device::given_weight<stored> given{weight.data(), weight.stride(), e};
  const std::size_t bytes = storage_bytes<F>(e);
  cuda::device_buffer<std::byte> storage(exec.stream(), bytes);
  cuda::check(cudaMemsetAsync(storage.data(), 0, bytes, exec.stream()), "pack");
  const first_wrong none[1] = {nothing_wrong};
  cuda::device_buffer<first_wrong> wrong =
      cuda::to_device(exec, vector_view<const first_wrong>(none, 1));
  detail::device::check_weights_kernel<F, stored>
      <<<detail::device::pack_grid(e.outputs * e.inputs), pack_threads, 0, exec.stream()>>>(
          given, wrong.data());
  const auto view = F::template make_view<device_space>(storage.data(), e);
  if constexpr (quantized_element<typename F::element>)
    detail::device::pack_quantized<typename F::element>(exec, given, view);
  else
    detail::device::pack_dense(exec, given, view);
  cuda::check(cudaGetLastError(), "pack: launch");
  const first_wrong found = cuda::to_host(exec, wrong)[0];
  require<value_error>(found == nothing_wrong, "pack: weight [", found / e.inputs, ", ",
                       found % e.inputs, "] is not a finite number that fits ",
                       detail::stored_as<F>());
  return {e, std::move(storage)};
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
