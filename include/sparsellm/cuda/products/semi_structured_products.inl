// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of 2:4 of 16-bit elements in large batches, of the shipped
// elements and the library's own sparsifiers. SPARSELLM_INSTANCE: `template` to compile them,
// `extern template` where a library has them.
SPARSELLM_INSTANCE void semi_structured_product(cuda::executor&, const nm_weight<half>&,
                                                const section_list<threshold>&,
                                                matrix_view<const float, device_space>,
                                                matrix_view<float, device_space>);
SPARSELLM_INSTANCE void semi_structured_product(cuda::executor&, const nm_weight<bfloat16>&,
                                                const section_list<threshold>&,
                                                matrix_view<const float, device_space>,
                                                matrix_view<float, device_space>);
