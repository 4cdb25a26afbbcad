// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Products of panel and channel_major of bfloat16.
#include "sparsellm/cpu/products/brick_product.hpp"

namespace SPARSELLM_PRODUCTS {

template void brick_product(const executor_ref&, const brick_weight<bfloat16>&, layout_kind,
                            const selection&, const token_inputs&, std::size_t, matrix_view<float>);
template void brick_gated_product(const executor_ref&, const brick_weight<bfloat16>&,
                                  const selection&, const token_inputs&, float*);

}  // namespace SPARSELLM_PRODUCTS
