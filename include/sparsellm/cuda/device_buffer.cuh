// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Owning, move-only device memory, allocated and freed in the order of one stream: what was given
// to the stream before may still use it when it is dropped. Elements start uninitialised.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/memory.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/error.cuh"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

template <class T>
requires std::is_trivially_copyable_v<T>
class device_buffer {
 public:
  using value_type = T;
  using space = device_space;

  device_buffer() noexcept = default;
  // size in elements; the stream must outlive the buffer. Throws shape_error when the size in bytes
  // does not fit, device_error when there is not that much memory.
  device_buffer(cudaStream_t stream, std::size_t size) : stream_(stream), size_(size) {
    require<shape_error>(size <= (static_cast<std::size_t>(-1) >> 1) / sizeof(T),
                         "device_buffer: ", size, " elements of ", sizeof(T),
                         " bytes do not fit the address space");
    if (size != 0)
      check(cudaMallocAsync(reinterpret_cast<void**>(&data_), size * sizeof(T), stream),
            "device_buffer: allocation");
  }
  device_buffer(device_buffer&& other) noexcept
      : stream_(other.stream_),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  device_buffer& operator=(device_buffer&& other) noexcept {
    std::swap(stream_, other.stream_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  device_buffer(const device_buffer&) = delete;
  device_buffer& operator=(const device_buffer&) = delete;
  ~device_buffer() {
    if (data_ != nullptr) (void)cudaFreeAsync(data_, stream_);
  }

  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] vector_view<T, device_space> view() noexcept { return {data_, size_}; }
  [[nodiscard]] vector_view<const T, device_space> view() const noexcept { return {data_, size_}; }

 private:
  cudaStream_t stream_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// memory<T, device_space>: what packed_matrix and any_weight own there.
template <class T>
struct memory_in<T, device_space> {
  using type = cuda::device_buffer<T>;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
