// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Products of n_of_m.
#include "sparsellm/cpu/products/nm_product.hpp"

namespace SPARSELLM_PRODUCTS {

template void nm_product(const executor_ref&, const nm_weight<float>&, const selection&,
                         const token_inputs&, std::size_t, matrix_view<float>);
template void nm_product(const executor_ref&, const nm_weight<half>&, const selection&,
                         const token_inputs&, std::size_t, matrix_view<float>);
template void nm_product(const executor_ref&, const nm_weight<bfloat16>&, const selection&,
                         const token_inputs&, std::size_t, matrix_view<float>);
template void nm_product(const executor_ref&, const nm_weight<std::int8_t>&, const selection&,
                         const token_inputs&, std::size_t, matrix_view<float>);

}  // namespace SPARSELLM_PRODUCTS
