// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Products of channel_bitmap.
#include "sparsellm/cpu/products/bitmap_product.hpp"

namespace SPARSELLM_PRODUCTS {

template void bitmap_product(const executor_ref&, const bitmap_weight<float>&, const selection&,
                             const token_inputs&, std::size_t, matrix_view<float>);
template void bitmap_product(const executor_ref&, const bitmap_weight<half>&, const selection&,
                             const token_inputs&, std::size_t, matrix_view<float>);
template void bitmap_product(const executor_ref&, const bitmap_weight<bfloat16>&, const selection&,
                             const token_inputs&, std::size_t, matrix_view<float>);
template void bitmap_product(const executor_ref&, const bitmap_weight<std::int8_t>&,
                             const selection&, const token_inputs&, std::size_t,
                             matrix_view<float>);

}  // namespace SPARSELLM_PRODUCTS
