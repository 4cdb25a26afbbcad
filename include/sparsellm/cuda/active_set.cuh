// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The channels that survived, on the device: ascending indices, their activations, and how many
// there are. The count stays there; nothing waits for it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/compact.cuh"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

// Owns room for one input vector; made once, reused for every token.
class active_set {
 public:
  // Throws shape_error for more channels than 32-bit indices reach.
  active_set(executor& exec, std::size_t channels)
      : index_(exec.stream(), channels), value_(exec.stream(), channels), count_(exec.stream(), 1) {
    require<shape_error>(channels <= 0x7fffffffu,
                         "cuda::active_set: at most 2^31 - 1 channels, got ", channels);
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return index_.size(); }
  [[nodiscard]] active_view<device_space> view() const noexcept {
    return {index_.data(), value_.data(), count_.data()};
  }
  // For sparsifiers of your own, in stream order.
  [[nodiscard]] std::uint32_t* index_storage() noexcept { return index_.data(); }
  [[nodiscard]] float* value_storage() noexcept { return value_.data(); }
  [[nodiscard]] std::uint32_t* count_storage() noexcept { return count_.data(); }

 private:
  device_buffer<std::uint32_t> index_;
  device_buffer<float> value_;
  device_buffer<std::uint32_t> count_;
};

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

namespace checks {
inline void active_set_fits(std::size_t inputs, const active_set& out) {
  require<shape_error>(out.capacity() >= inputs, "cuda::sparsify: an active set for ", inputs,
                       " channels expected, this one holds ", out.capacity());
}
}  // namespace checks

// Throws shape_error when `out` has no room for x.
template <pointwise_sparsifier S>
void sparsify(executor& exec, const S& s, vector_view<const float, device_space> x,
              active_set& out) {
  checks::active_set_fits(x.size(), out);
  compact_kernel<<<1, compact_threads, 0, exec.stream()>>>(
      s, x.data(), static_cast<unsigned>(x.size()), out.index_storage(), out.value_storage(),
      out.count_storage());
  check(cudaGetLastError(), "cuda::sparsify: launch");
}

// Writes to x [inputs] what is active, zeros elsewhere.
inline void scatter(executor& exec, active_view<device_space> active, vector_view<float, device_space> x) {
  check(cudaMemsetAsync(x.data(), 0, x.size() * sizeof(float), exec.stream()), "cuda::scatter");
  const unsigned blocks = static_cast<unsigned>((x.size() + 255) / 256);
  scatter_kernel<<<blocks, 256, 0, exec.stream()>>>(active.index, active.value, active.count,
                                                    x.data());
  check(cudaGetLastError(), "cuda::scatter: launch");
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
