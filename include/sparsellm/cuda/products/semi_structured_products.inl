// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of 16-bit n_of_m 2:4 on tensor cores, of the shipped elements
// (cuda/products/product_instance.cuh).
SPARSELLM_PRODUCT(nm_weight<half>, semi_structured_product);
SPARSELLM_PRODUCT(nm_weight<bfloat16>, semi_structured_product);
