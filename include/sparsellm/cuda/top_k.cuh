// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The k channels of largest score on the device, by radix select: the host's choice, ties and NaN
// included. Nothing waits for it, so a decode step may use it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/active_set.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/radix_select.cuh"
#include "sparsellm/cuda/sparsify.cuh"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/score.hpp"
#include "sparsellm/sparsify/selector.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Writes the min(k, inputs) channels of x [inputs] with the largest scores to `out`, ascending, in
// stream order; does not wait. Throws shape_error when `out` has no room for x.
template <activation_score Score>
void sparsify(cuda::executor& exec, const sparsifier<Score, top_k>& s,
              vector_view<const float, device_space> x, active_set<device_space>& out) {
  detail::device::check_room(x.size(), out);
  detail::device::top_k_kernel<<<1, detail::device::select_threads, 0, exec.stream()>>>(
      s.score, s.select.k, x.data(), static_cast<unsigned>(x.size()), out.index_storage(),
      out.value_storage(), out.count_storage());
  cuda::check(cudaGetLastError(), "sparsify: launch");
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
