// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of n_of_m, of the shipped
// elements and the library's own sparsifiers. SPARSELLM_INSTANCE: `template` to compile them,
// `extern template` where a library has them.
SPARSELLM_INSTANCE void nm_product<n_of_m<float, 2, 4>>(cuda::executor&, const nm_weight<float>&,
                                                        const section_list<threshold>&,
                                                        matrix_view<const float, device_space>,
                                                        matrix_view<float, device_space>);
SPARSELLM_INSTANCE void nm_product<n_of_m<half, 2, 4>>(cuda::executor&, const nm_weight<half>&,
                                                       const section_list<threshold>&,
                                                       matrix_view<const float, device_space>,
                                                       matrix_view<float, device_space>);
SPARSELLM_INSTANCE void nm_product<n_of_m<bfloat16, 2, 4>>(cuda::executor&,
                                                           const nm_weight<bfloat16>&,
                                                           const section_list<threshold>&,
                                                           matrix_view<const float, device_space>,
                                                           matrix_view<float, device_space>);
SPARSELLM_INSTANCE void nm_product<n_of_m<std::int8_t, 2, 4>>(
    cuda::executor&, const nm_weight<std::int8_t>&, const section_list<threshold>&,
    matrix_view<const float, device_space>, matrix_view<float, device_space>);
SPARSELLM_INSTANCE void nm_product<n_of_m<float, 4, 8>>(cuda::executor&, const nm_weight<float>&,
                                                        const section_list<threshold>&,
                                                        matrix_view<const float, device_space>,
                                                        matrix_view<float, device_space>);
SPARSELLM_INSTANCE void nm_product<n_of_m<half, 4, 8>>(cuda::executor&, const nm_weight<half>&,
                                                       const section_list<threshold>&,
                                                       matrix_view<const float, device_space>,
                                                       matrix_view<float, device_space>);
SPARSELLM_INSTANCE void nm_product<n_of_m<bfloat16, 4, 8>>(cuda::executor&,
                                                           const nm_weight<bfloat16>&,
                                                           const section_list<threshold>&,
                                                           matrix_view<const float, device_space>,
                                                           matrix_view<float, device_space>);
SPARSELLM_INSTANCE void nm_product<n_of_m<std::int8_t, 4, 8>>(
    cuda::executor&, const nm_weight<std::int8_t>&, const section_list<threshold>&,
    matrix_view<const float, device_space>, matrix_view<float, device_space>);
