// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Products of quantised weights of 4 bits.
#include "sparsellm/cpu/products/quantized_product.hpp"

namespace SPARSELLM_PRODUCTS {

template void quantized_product(const executor_ref&, const quantized_weight<4, false>&, layout_kind,
                                const selection&, const token_inputs&, std::size_t,
                                matrix_view<float>);
template void quantized_product(const executor_ref&, const quantized_weight<4, true>&, layout_kind,
                                const selection&, const token_inputs&, std::size_t,
                                matrix_view<float>);
template void quantized_product(const executor_ref&, const quantized_weight<4, false, true>&,
                                layout_kind, const selection&, const token_inputs&, std::size_t,
                                matrix_view<float>);

}  // namespace SPARSELLM_PRODUCTS
