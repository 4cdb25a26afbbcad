// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of n_of_m, of the shipped elements (cuda/products/product_instance.cuh).
SPARSELLM_PRODUCT(nm_weight<float>, nm_product<n_of_m<float, 2, 4>>);
SPARSELLM_PRODUCT(nm_weight<half>, nm_product<n_of_m<half, 2, 4>>);
SPARSELLM_PRODUCT(nm_weight<bfloat16>, nm_product<n_of_m<bfloat16, 2, 4>>);
SPARSELLM_PRODUCT(nm_weight<std::int8_t>, nm_product<n_of_m<std::int8_t, 2, 4>>);
SPARSELLM_PRODUCT(nm_weight<float>, nm_product<n_of_m<float, 4, 8>>);
SPARSELLM_PRODUCT(nm_weight<half>, nm_product<n_of_m<half, 4, 8>>);
SPARSELLM_PRODUCT(nm_weight<bfloat16>, nm_product<n_of_m<bfloat16, 4, 8>>);
SPARSELLM_PRODUCT(nm_weight<std::int8_t>, nm_product<n_of_m<std::int8_t, 4, 8>>);
