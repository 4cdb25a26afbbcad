// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// sparsify() on a device: lists one token's active channels there. The k largest are in
// cuda/top_k.cuh, which needs CUB.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/active_set.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/convert.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/compact.cuh"
#include "sparsellm/multiply/activations.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

inline void check_room(std::size_t inputs, const active_set<device_space>& out) {
  require<shape_error>(out.capacity() >= inputs, "sparsify: an active set for ", inputs,
                       " channels expected, this one holds ", out.capacity());
}

// Writes to x [channels] the values of what is active, 1 when the view has none, and zeros
// elsewhere.
inline void scatter(cuda::executor& exec, active_view<device_space> active,
                    vector_view<float, device_space> x) {
  cuda::check(cudaMemsetAsync(x.data(), 0, x.size() * sizeof(float), exec.stream()),
              "multiply: zeros");
  const auto blocks = static_cast<unsigned>((x.size() + 255) / 256);
  scatter_kernel<<<blocks, 256, 0, exec.stream()>>>(active.index, active.value, active.count,
                                                    x.data());
  cuda::check(cudaGetLastError(), "multiply: launch");
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Writes the channels of x [inputs] that s keeps to `out`, ascending, in stream order; does not
// wait. Throws shape_error when `out` has no room for x.
template <pointwise_sparsifier S>
void sparsify(cuda::executor& exec, const S& s, vector_view<const float, device_space> x,
              active_set<device_space>& out) {
  detail::device::check_room(x.size(), out);
  detail::device::compact_kernel<<<1, detail::device::compact_threads, 0, exec.stream()>>>(
      s, x.data(), static_cast<unsigned>(x.size()), out.index_storage(), out.value_storage(),
      out.count_storage());
  cuda::check(cudaGetLastError(), "sparsify: launch");
}

// The channels of x [inputs] in half or bfloat16, and any sparsifier that has such a function for
// floats: those of x widened, whose values the set has.
template <class S, class X>
requires detail::narrow_activations<X>
void sparsify(cuda::executor& exec, const S& s, X&& x, active_set<device_space>& out) {
  const auto given = detail::as_view(x);
  const auto held = exec.activations(given.size());
  cuda::convert(exec, given, held.view());
  sparsify(exec, s, vector_view<const float, device_space>(held.view()), out);
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
