// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "methods/shuffling.hpp"

namespace llama {

// An order_search on the device, of scores without gaps. Throws device_error where there is no GPU.
[[nodiscard]] sparsellm::channel_order search_cuda_order(sparsellm::matrix_view<const float> scores,
                                                         const shuffling& how);

}  // namespace llama
