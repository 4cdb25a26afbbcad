// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// --device cuda: the forward pass on a GPU.
#pragma once

#include <cstddef>
#include <memory>

#include "cuda/order.hpp"
#include "methods/observed_text.hpp"
#include "model/decoder.hpp"
#include "model/model.hpp"

namespace llama {

// For up to max_tokens at once and positions below `positions`, with the model's thresholds as they
// are now. Throws value_error in a program built without a CUDA compiler, device_error where
// there is no GPU.
[[nodiscard]] std::unique_ptr<decoder> make_cuda_session(const model& m, std::size_t max_tokens,
                                                         std::size_t positions);

// The same for so many sequences side by side.
[[nodiscard]] std::unique_ptr<batch_decoder> make_cuda_sequences(const model& m,
                                                                 std::size_t sequences,
                                                                 std::size_t positions);

// A text_maker: calibration on the device. Throws as make_cuda_session().
[[nodiscard]] std::unique_ptr<observed_text> make_cuda_text(sparsellm::cpu::executor& exec,
                                                            model& m,
                                                            const std::vector<window>& windows,
                                                            std::size_t dense_rows);

}  // namespace llama
