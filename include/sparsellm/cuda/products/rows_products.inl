// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of row_major, of the shipped
// elements and the library's own sparsifiers. SPARSELLM_INSTANCE: `template` to compile them,
// `extern template` where a library has them.
SPARSELLM_INSTANCE void rows_product(cuda::executor&, const row_weight<float>&,
                                     const section_list<threshold>&,
                                     matrix_view<const float, device_space>,
                                     matrix_view<float, device_space>);
SPARSELLM_INSTANCE void rows_product(cuda::executor&, const row_weight<half>&,
                                     const section_list<threshold>&,
                                     matrix_view<const float, device_space>,
                                     matrix_view<float, device_space>);
SPARSELLM_INSTANCE void rows_product(cuda::executor&, const row_weight<bfloat16>&,
                                     const section_list<threshold>&,
                                     matrix_view<const float, device_space>,
                                     matrix_view<float, device_space>);
