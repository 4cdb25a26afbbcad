// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products of channel_bitmap, of the shipped
// elements and the library's own sparsifiers. SPARSELLM_INSTANCE: `template` to compile them,
// `extern template` where a library has them.
SPARSELLM_INSTANCE void bitmap_product(cuda::executor&, const bitmap_weight<float>&,
                                       const section_list<threshold>&,
                                       matrix_view<const float, device_space>,
                                       matrix_view<float, device_space>);
SPARSELLM_INSTANCE void bitmap_product(cuda::executor&, const bitmap_weight<half>&,
                                       const section_list<threshold>&,
                                       matrix_view<const float, device_space>,
                                       matrix_view<float, device_space>);
SPARSELLM_INSTANCE void bitmap_product(cuda::executor&, const bitmap_weight<bfloat16>&,
                                       const section_list<threshold>&,
                                       matrix_view<const float, device_space>,
                                       matrix_view<float, device_space>);
SPARSELLM_INSTANCE void bitmap_product(cuda::executor&, const bitmap_weight<std::int8_t>&,
                                       const section_list<threshold>&,
                                       matrix_view<const float, device_space>,
                                       matrix_view<float, device_space>);
