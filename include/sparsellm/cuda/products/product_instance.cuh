// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One product compiled for a shipped weight and the library's own sparsifiers, for the lists in
// *_products.inl. SPARSELLM_INSTANCE: `template` to compile them, `extern template` where a library
// has them. First the weight's type, then the function: commas in it are its own.
#pragma once

#define SPARSELLM_PRODUCT(weight, ...)                                \
  SPARSELLM_INSTANCE void __VA_ARGS__(                                \
      cuda::executor&, const weight&, const section_list<threshold>&, \
      matrix_view<const float, device_space>, matrix_view<float, device_space>)
