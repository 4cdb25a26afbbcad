// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// active_set of a device: ascending indices, their activations, and how many there are. The count
// stays there; nothing waits for it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A device's own: owns room for the channels of one input vector; made once, reused for every
// token.
template <>
class active_set<device_space> {
 public:
  using space = device_space;

  // Room for `channels` channels. Allocates in stream order. Throws shape_error for more than 2^31
  // - 1, device_error when there is not that much memory.
  active_set(cuda::executor& exec, std::size_t channels)
      : index_(exec.stream(), channels), value_(exec.stream(), channels), count_(exec.stream(), 1) {
    require<shape_error>(channels <= 0x7fffffffu, "active_set: at most 2^31 - 1 channels, got ",
                         channels);
  }
  // How many channels it has room for, and what products read of it; the count is not waited for.
  [[nodiscard]] std::size_t capacity() const noexcept { return index_.size(); }
  [[nodiscard]] active_view<device_space> view() const noexcept {
    return {index_.data(), value_.data(), count_.data()};
  }
  // For sparsifiers of your own, which write in stream order: indices and activations [capacity],
  // and the count [1].
  [[nodiscard]] std::uint32_t* index_storage() noexcept { return index_.data(); }
  [[nodiscard]] float* value_storage() noexcept { return value_.data(); }
  [[nodiscard]] std::uint32_t* count_storage() noexcept { return count_.data(); }

 private:
  cuda::device_buffer<std::uint32_t> index_;
  cuda::device_buffer<float> value_;
  cuda::device_buffer<std::uint32_t> count_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
