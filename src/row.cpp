// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Products of row_major.
#include "sparsellm/cpu/products/row_product.hpp"

namespace SPARSELLM_PRODUCTS {

template void row_product(const executor_ref&, const row_weight<float>&, const selection&,
                          const token_inputs&, std::size_t, matrix_view<float>);
template void listed_rows_product(const executor_ref&, const row_weight<float>&,
                                  vector_view<const std::uint32_t>, vector_view<const float>,
                                  vector_view<float>);
template void row_product(const executor_ref&, const row_weight<half>&, const selection&,
                          const token_inputs&, std::size_t, matrix_view<float>);
template void listed_rows_product(const executor_ref&, const row_weight<half>&,
                                  vector_view<const std::uint32_t>, vector_view<const float>,
                                  vector_view<float>);
template void row_product(const executor_ref&, const row_weight<bfloat16>&, const selection&,
                          const token_inputs&, std::size_t, matrix_view<float>);
template void listed_rows_product(const executor_ref&, const row_weight<bfloat16>&,
                                  vector_view<const std::uint32_t>, vector_view<const float>,
                                  vector_view<float>);

}  // namespace SPARSELLM_PRODUCTS
