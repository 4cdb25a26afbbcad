// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Products of GGUF's K-quants.
#include "sparsellm/cpu/products/quantized_product.hpp"
#include "sparsellm/pack/super_block_weight.hpp"

namespace SPARSELLM_PRODUCTS {

template void quantized_product(const executor_ref&, const super_block_weight<4, true>&,
                                layout_kind, const selection&, const token_inputs&, std::size_t,
                                matrix_view<float>);
template void quantized_product(const executor_ref&, const super_block_weight<5, true>&,
                                layout_kind, const selection&, const token_inputs&, std::size_t,
                                matrix_view<float>);
template void quantized_product(const executor_ref&, const super_block_weight<6, false>&,
                                layout_kind, const selection&, const token_inputs&, std::size_t,
                                matrix_view<float>);

}  // namespace SPARSELLM_PRODUCTS
