// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// multiply() on the CPU for panel and channel_major of q8_0, q4_1, q5_0, iq4_nl, q4_k and other
// quantised elements: for files that multiply nothing else. sparsellm/cpu/multiply.hpp has all
// formats.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/quantized_product.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/run_multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/quantized.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/pack/super_block_weight.hpp"
#include "sparsellm/pack/super_blocks.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

template <quantized_view V>
void product(const executor_ref& exec, const V& w, const selection& s, const token_inputs& x,
             std::size_t tokens, matrix_view<float> y) {
  quantized_product<quantized_weight<V::bits, V::affine, V::non_linear>>(exec, w, V::format::layout,
                                                                         s, x, tokens, y);
}
template <super_block_view V>
void product(const executor_ref& exec, const V& w, const selection& s, const token_inputs& x,
             std::size_t tokens, matrix_view<float> y) {
  quantized_product<super_block_weight<V::bits, V::affine>>(exec, w, V::format::layout, s, x,
                                                            tokens, y);
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
