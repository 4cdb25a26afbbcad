// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of row_major, of the shipped elements (cuda/products/product_instance.cuh).
SPARSELLM_PRODUCT(row_weight<float>, rows_product);
SPARSELLM_PRODUCT(row_weight<half>, rows_product);
SPARSELLM_PRODUCT(row_weight<bfloat16>, rows_product);
