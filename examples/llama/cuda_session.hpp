// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// --device cuda: the forward pass on a GPU.
#pragma once

#include <cstddef>
#include <memory>

#include "decoder.hpp"
#include "model.hpp"

namespace llama {

// For up to max_tokens at once and positions below `positions`, with the model's thresholds as they
// are now. Throws value_error for what only the CPU does (--score cats) and in a program
// built without a CUDA compiler, device_error where there is no GPU.
[[nodiscard]] std::unique_ptr<decoder> make_cuda_session(const model& m, std::size_t max_tokens,
                                                         std::size_t positions);

}  // namespace llama
