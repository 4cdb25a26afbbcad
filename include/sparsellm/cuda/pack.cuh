// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 4 of N:M weights on the device: the bytes are what the host packs of the same weight and
// mask.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cub/device/device_scan.cuh>
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
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/pack.cuh"
#include "sparsellm/cuda/pack_dense.cuh"
#include "sparsellm/cuda/prune.cuh"
#include "sparsellm/pack/channel_bitmap.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/packed_matrix.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Zeroed storage's values and masks.
template <class F, storage_scalar T>
requires nm_view<typename F::template view<device_space>>
void lay_out(cuda::executor& exec, matrix_view<const T, device_space> weight,
             const cuda::device_mask& mask, cuda::device_buffer<std::byte>& storage) {
  const extents e = mask.shape();
  const auto view = F::template make_view<device_space>(storage.data(), e);
  const auto cells = static_cast<unsigned>(view.cells());
  const auto padded = static_cast<unsigned>(view.strips() * nm_strip_outputs);
  pack_kernel<F, T><<<dim3((padded + prune_threads - 1) / prune_threads, cells), prune_threads, 0,
                      exec.stream()>>>(weight.data(), weight.stride(),
                                       static_cast<unsigned>(e.outputs),
                                       static_cast<unsigned>(e.inputs), mask.words(),
                                       mask.row_words(), view.scales, storage.data(), cells);
}
template <class F, storage_scalar T>
requires bitmap_view<typename F::template view<device_space>>
void lay_out(cuda::executor& exec, matrix_view<const T, device_space> weight,
             const cuda::device_mask& mask, cuda::device_buffer<std::byte>& storage) {
  const extents e = mask.shape();
  const auto view = F::template make_view<device_space>(storage.data(), e);
  const auto rows = static_cast<unsigned>(e.outputs), channels = static_cast<unsigned>(e.inputs);
  const unsigned blocks = channels / prune_threads + 1;
  auto* const begins = reinterpret_cast<std::uint32_t*>(storage.data());  // [channels + 1]
  cuda::device_buffer<std::uint32_t> lines(exec.stream(), e.inputs + 1);
  count_lines_kernel<<<blocks, prune_threads, 0, exec.stream()>>>(
      mask.words(), mask.row_words(), rows, channels, sizeof(typename F::element), lines.data());
  std::size_t bytes = 0;
  const auto scan = [&](void* memory) {
    cuda::check(cub::DeviceScan::ExclusiveSum(memory, bytes, lines.data(), begins,
                                              static_cast<int>(channels + 1), exec.stream()),
                "pack_masked: where channels begin");
  };
  scan(nullptr);
  auto memory = exec.allocate<std::byte>(bytes);
  scan(memory.data());
  pack_bitmap_kernel<T, typename F::element><<<blocks, prune_threads, 0, exec.stream()>>>(
      weight.data(), weight.stride(), mask.words(), mask.row_words(), view.scales, rows, channels,
      begins, const_cast<std::uint32_t*>(view.ends), const_cast<std::byte*>(view.data));
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// n_of_m or channel_bitmap of the weights [outputs, inputs] that the mask keeps, on the device.
// Waits. Throws shape_error for a mask of another shape, value_error when it does not follow the
// format's pattern or a kept weight is not finite as the storage type.
template <packed_format F, class T>
requires(is_pruned(F::layout) && storage_scalar<std::remove_const_t<T>>)
[[nodiscard]] packed_matrix<F, device_space> pack_masked(cuda::executor& exec,
                                                         matrix_view<T, device_space> weight,
                                                         const cuda::device_mask& mask) {
  using detail::device::first_wrong, detail::device::nothing_wrong, detail::device::prune_threads;
  using stored = std::remove_const_t<T>;
  const extents e{weight.rows(), weight.cols()};
  require<shape_error>(mask.shape() == e, "pack_masked: a mask of ", e.outputs, "x", e.inputs,
                       " expected, got ", mask.shape().outputs, "x", mask.shape().inputs);
  require<shape_error>(e.outputs <= 0x7fffffffu && e.inputs < 0x7fffffffu,
                       "pack_masked: fewer than 2^31 outputs and inputs expected, got ", e.outputs,
                       "x", e.inputs);
  const std::size_t bytes = storage_bytes<F>(e);
  cuda::device_buffer<std::byte> storage(exec.stream(), bytes);
  cuda::check(cudaMemsetAsync(storage.data(), 0, bytes, exec.stream()), "pack_masked");
  const auto view = F::template make_view<device_space>(storage.data(), e);
  const auto rows = static_cast<unsigned>(e.outputs), cols = static_cast<unsigned>(e.inputs);

  const first_wrong none[2] = {nothing_wrong, nothing_wrong};
  cuda::device_buffer<first_wrong> wrong =
      cuda::to_device(exec, vector_view<const first_wrong>(none, 2));
  auto* const scales = const_cast<float*>(view.scales);  // lie in `storage`
  detail::device::check_kernel<F, stored>
      <<<(rows + prune_threads - 1) / prune_threads, prune_threads, 0, exec.stream()>>>(
          weight.data(), weight.stride(), rows, cols, mask.words(), mask.row_words(), scales,
          wrong.data(), wrong.data() + 1);
  cuda::check(cudaGetLastError(), "pack_masked: launch");
  const buffer<first_wrong> found = cuda::to_host(exec, wrong);
  require<value_error>(found[0] == nothing_wrong, "pack_masked: the mask does not keep ",
                       F::pattern.n, " of every ", F::pattern.m, " from [", found[0] / e.inputs,
                       ", ", found[0] % e.inputs, "] on");
  require<value_error>(found[1] == nothing_wrong, "pack_masked: weight [", found[1] / e.inputs,
                       ", ", found[1] % e.inputs, "] is not a finite number that fits ",
                       detail::stored_as<F>());

  detail::device::lay_out<F, stored>(exec, weight, mask, storage);
  cuda::check(cudaGetLastError(), "pack_masked: launch");
  return {e, std::move(storage)};
}

// n_of_m or channel_bitmap of a weight [outputs, inputs] on the device: the N largest magnitudes of
// every M stay, ties going to the lowest channel, as the host's pack() has it. Waits. Throws
// shape_error for zero sizes, value_error for weights that are not finite as the storage type.
template <packed_format F, class T>
requires(is_pruned(F::layout) && storage_scalar<std::remove_const_t<T>>)
[[nodiscard]] packed_matrix<F, device_space> pack(cuda::executor& exec,
                                                  matrix_view<T, device_space> weight) {
  return pack_masked<F>(exec, weight,
                        cuda::best_of_groups(exec, F::pattern, weight, cuda::scaled_magnitude{}));
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
