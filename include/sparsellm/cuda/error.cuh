// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the CUDA runtime reports becomes an exception that names the call and its reason.
#pragma once

#include <cuda_runtime_api.h>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0 {

// A call of the CUDA runtime failed, or a kernel before it did.
struct device_error : error {
  using error::error;
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

// Throws device_error unless the call succeeded.
inline void check(cudaError_t status, const char* what) {
  require<device_error>(status == cudaSuccess, what, ": ", cudaGetErrorString(status));
}

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
