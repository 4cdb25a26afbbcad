// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The device's products of 2:4 of 16-bit elements in large batches.
#include "sparsellm/cuda/products/semi_structured_product.cuh"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

#define SPARSELLM_INSTANCE template
#include "sparsellm/cuda/products/semi_structured_products.inl"

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
