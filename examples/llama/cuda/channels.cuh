// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The k largest of a token's channels, for files that nvcc compiles without CUB.
#pragma once

#include <cstddef>

#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/active_set.cuh"
#include "sparsellm/cuda/executor.cuh"

namespace llama {

// out: the k channels of largest |x| · scale, null for 1.
void cuda_list_largest(sparsellm::cuda::executor& exec, const float* scale, std::size_t k,
                       sparsellm::vector_view<const float, sparsellm::device_space> x,
                       sparsellm::active_set<sparsellm::device_space>& out);

}  // namespace llama
