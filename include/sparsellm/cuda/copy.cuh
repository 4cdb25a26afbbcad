// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Between host and device, and packed weights to the device. Copies are in stream order, and what
// they read on the host must stay until they are done; those to the host wait.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/packed_matrix.hpp"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

// to [n] = from [n], to the device in stream order or to the host, which waits. Throws shape_error
// when the sizes differ.
template <class T>
void copy(executor& exec, vector_view<const T> from, vector_view<T, device_space> to) {
  require<shape_error>(from.size() == to.size(), "cuda::copy: ", from.size(), " elements to ",
                       to.size());
  check(cudaMemcpyAsync(to.data(), from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice,
                        exec.stream()),
        "cuda::copy to the device");
}
template <class T>
void copy(executor& exec, vector_view<const T, device_space> from, vector_view<T> to) {
  require<shape_error>(from.size() == to.size(), "cuda::copy: ", from.size(), " elements to ",
                       to.size());
  check(cudaMemcpyAsync(to.data(), from.data(), from.size() * sizeof(T), cudaMemcpyDeviceToHost,
                        exec.stream()),
        "cuda::copy to the host");
  exec.wait();
}

// A copy of from [n] on the device, in stream order. Allocates it.
template <class T>
[[nodiscard]] device_buffer<T> to_device(executor& exec, vector_view<const T> from) {
  device_buffer<T> to(exec.stream(), from.size());
  copy(exec, from, to.view());
  return to;
}
// A copy of from [n] on the host. Waits; allocates it.
template <class T>
[[nodiscard]] buffer<T> to_host(executor& exec, const device_buffer<T>& from) {
  buffer<T> to(from.size());
  copy(exec, from.view(), vector_view<T>(to.data(), to.size()));
  return to;
}

// A copy of a packed weight W [outputs, inputs] on the device, in stream order. Allocates it.
template <packed_format F>
[[nodiscard]] packed_matrix<F, device_space> to_device(executor& exec,
                                                       const packed_matrix<F>& weight) {
  return {weight.shape(), to_device(exec, weight.storage_view())};
}

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
