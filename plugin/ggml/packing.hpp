// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// ggml's tensors in the library's formats.
#pragma once

#include <vector>

#include "sparsellm/model/sparse_linear.hpp"
#include "tensor_stack.hpp"

namespace sparsellm_ggml {

// A matrix for each of the stack's, every number kept as it is, in the layout for the sparsity that
// is expected. Throws value_error for numbers that no format stores (NaN, infinite). On the threads
// of a pool of its own; waits.
[[nodiscard]] std::vector<sparsellm::sparse_linear> pack(const tensor_stack& stack,
                                                         double sparsity);

}  // namespace sparsellm_ggml
