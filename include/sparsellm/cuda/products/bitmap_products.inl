// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of channel_bitmap, of the shipped elements (cuda/products/product_instance.cuh).
SPARSELLM_PRODUCT(bitmap_weight<float>, bitmap_product);
SPARSELLM_PRODUCT(bitmap_weight<half>, bitmap_product);
SPARSELLM_PRODUCT(bitmap_weight<bfloat16>, bitmap_product);
SPARSELLM_PRODUCT(bitmap_weight<std::int8_t>, bitmap_product);
