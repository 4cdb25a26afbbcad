// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of panel and channel_major, of the shipped
// elements and the library's own sparsifiers. SPARSELLM_INSTANCE: `template` to compile them,
// `extern template` where a library has them.
SPARSELLM_INSTANCE void product_of<plain_tile>(cuda::executor&, const brick_weight<float>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<plain_tile>(cuda::executor&, const brick_weight<half>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<plain_tile>(cuda::executor&, const brick_weight<bfloat16>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<plain_tile>(cuda::executor&, const quantized_weight<8, false>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<plain_tile>(cuda::executor&, const quantized_weight<4, false>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<plain_tile>(cuda::executor&, const quantized_weight<4, true>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<gated_tile>(cuda::executor&, const brick_weight<float>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<gated_tile>(cuda::executor&, const brick_weight<half>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<gated_tile>(cuda::executor&, const brick_weight<bfloat16>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<gated_tile>(cuda::executor&, const quantized_weight<8, false>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<gated_tile>(cuda::executor&, const quantized_weight<4, false>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
SPARSELLM_INSTANCE void product_of<gated_tile>(cuda::executor&, const quantized_weight<4, true>&,
                                               const section_list<threshold>&,
                                               matrix_view<const float, device_space>,
                                               matrix_view<float, device_space>);
