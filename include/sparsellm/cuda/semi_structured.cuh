// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// 2:4 weights of the device as CUTLASS and PyTorch keep them, without a way by the host:
// pack/semi_structured.hpp's layout.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/metadata.cuh"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/packed_matrix.hpp"
#include "sparsellm/pack/semi_structured.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {

// Blocks for `each` threads a row of a weight. Throws shape_error for more than a grid has.
[[nodiscard]] inline unsigned metadata_blocks(extents e, std::size_t each) {
  const std::size_t blocks = (e.outputs * each + metadata_threads - 1) / metadata_threads;
  require<shape_error>(blocks <= 0x7fffffffu,
                       "cuda: at most 2^38 metadata elements are converted at once, got ",
                       e.outputs * each);
  return static_cast<unsigned>(blocks);
}

}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// semi_structured on the device.
template <class T>
struct device_semi_structured {
  using metadata_element = typename semi_structured<T>::metadata_element;

  extents shape;
  device_buffer<T> values;                   // [outputs, inputs / 2]
  device_buffer<metadata_element> metadata;  // [outputs, inputs / (4 · groups)], reordered
  device_buffer<float> scales;               // [outputs] for levels, else empty
};

// A packed weight in CUTLASS's order, bit for bit, in stream order. Allocates it. Throws
// shape_error for shapes that semi_structured::check() refuses.
template <class T>
[[nodiscard]] device_semi_structured<T> to_semi_structured(
    executor& exec, const packed_matrix<n_of_m<T, 2, 4>, device_space>& packed) {
  using S = semi_structured<T>;
  const extents e = packed.shape();
  S::check(e);
  const auto view = packed.view();
  const std::size_t columns = e.inputs / (4 * S::groups);
  device_semi_structured<T> out{e, exec.allocate<T>(e.outputs * e.inputs / 2),
                                exec.allocate<typename S::metadata_element>(e.outputs * columns),
                                exec.allocate<float>(view.scales == nullptr ? 0 : e.outputs)};
  const unsigned grid = detail::device::metadata_blocks(e, columns);
  detail::device::to_semi_structured_kernel<T>
      <<<grid, detail::device::metadata_threads, 0, exec.stream()>>>(view, out.values.data(),
                                                                     out.metadata.data());
  check(cudaGetLastError(), "cuda::to_semi_structured: launch");
  if (view.scales != nullptr)
    check(cudaMemcpyAsync(out.scales.data(), view.scales, e.outputs * sizeof(float),
                          cudaMemcpyDeviceToDevice, exec.stream()),
          "cuda::to_semi_structured: scales");
  return out;
}

// The inverse. Waits; allocates what it returns. Throws shape_error when sizes do not fit,
// value_error for metadata that does not name two channels in ascending order and for values that
// are NaN or infinite.
template <class T>
[[nodiscard]] packed_matrix<n_of_m<T, 2, 4>, device_space> from_semi_structured(
    executor& exec, const device_semi_structured<T>& s) {
  using S = semi_structured<T>;
  using F = n_of_m<T, 2, 4>;
  const extents e = s.shape;
  S::check(e);
  const std::size_t elements = e.outputs * e.inputs / (4 * S::groups);
  require<shape_error>(s.metadata.size() == elements, "cuda::from_semi_structured: ", elements,
                       " metadata elements expected, got ", s.metadata.size());
  require<shape_error>(s.values.size() == e.outputs * e.inputs / 2,
                       "cuda::from_semi_structured: ", e.outputs * e.inputs / 2,
                       " values expected, got ", s.values.size());
  require<shape_error>(s.scales.size() == (F::has_scales ? e.outputs : 0),
                       "cuda::from_semi_structured: ", F::has_scales ? e.outputs : 0,
                       " scales expected, got ", s.scales.size());
  const std::size_t bytes = storage_bytes<F>(e);
  device_buffer<std::byte> storage(exec.stream(), bytes);
  check(cudaMemsetAsync(storage.data(), 0, bytes, exec.stream()), "cuda::from_semi_structured");
  const auto view = F::template make_view<device_space>(storage.data(), e);
  const detail::device::first_wrong none[2] = {detail::device::nothing_wrong,
                                               detail::device::nothing_wrong};
  device_buffer<detail::device::first_wrong> wrong =
      to_device(exec, vector_view<const detail::device::first_wrong>(none, 2));
  const unsigned grid = detail::device::metadata_blocks(e, view.cells());
  detail::device::from_semi_structured_kernel<T>
      <<<grid, detail::device::metadata_threads, 0, exec.stream()>>>(
          s.values.data(), s.metadata.data(), view, storage.data(), wrong.data(), wrong.data() + 1);
  check(cudaGetLastError(), "cuda::from_semi_structured: launch");
  if constexpr (F::has_scales)
    check(cudaMemcpyAsync(const_cast<float*>(view.scales), s.scales.data(),
                          e.outputs * sizeof(float), cudaMemcpyDeviceToDevice, exec.stream()),
          "cuda::from_semi_structured: scales");
  const buffer<detail::device::first_wrong> found = to_host(exec, wrong);
  require<value_error>(found[0] == detail::device::nothing_wrong,
                       "cuda::from_semi_structured: the indices of row ", found[0] / e.inputs,
                       ", channels from ", found[0] % e.inputs, " do not ascend");
  require<value_error>(found[1] == detail::device::nothing_wrong,
                       "cuda::from_semi_structured: value ", found[1], " is not a finite number");
  return {e, std::move(storage)};
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
