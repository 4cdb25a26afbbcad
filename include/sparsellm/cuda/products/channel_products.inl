// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of panel and channel_major, of the shipped elements
// (cuda/products/product_instance.cuh).
using quantized_8 = quantized_weight<8, false>;
using quantized_4 = quantized_weight<4, false>;
using affine_4 = quantized_weight<4, true>;
SPARSELLM_PRODUCT(brick_weight<float>, product_of<plain_tile>);
SPARSELLM_PRODUCT(brick_weight<half>, product_of<plain_tile>);
SPARSELLM_PRODUCT(brick_weight<bfloat16>, product_of<plain_tile>);
SPARSELLM_PRODUCT(quantized_8, product_of<plain_tile>);
SPARSELLM_PRODUCT(quantized_4, product_of<plain_tile>);
SPARSELLM_PRODUCT(affine_4, product_of<plain_tile>);
SPARSELLM_PRODUCT(brick_weight<float>, product_of<gated_tile>);
SPARSELLM_PRODUCT(brick_weight<half>, product_of<gated_tile>);
SPARSELLM_PRODUCT(brick_weight<bfloat16>, product_of<gated_tile>);
SPARSELLM_PRODUCT(quantized_8, product_of<gated_tile>);
SPARSELLM_PRODUCT(quantized_4, product_of<gated_tile>);
SPARSELLM_PRODUCT(affine_4, product_of<gated_tile>);
