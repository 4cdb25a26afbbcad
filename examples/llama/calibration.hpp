// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thresholds for a model: layer by layer, input by input, over windows of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "forward.hpp"
#include "model.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/calibrate/uniform.hpp"

namespace llama {

using window = std::vector<std::int32_t>;

// Cuts ids into windows of `length` tokens, at most max_tokens in all; a text shorter than one
// window is one short window. Throws value_error when there are fewer than two tokens.
[[nodiscard]] std::vector<window> cut_windows(const std::vector<std::int32_t>& ids,
                                              std::size_t length, std::size_t max_tokens);

// Observes |x| at the four inputs of every block and sets the thresholds of the seven projections.
// sequential: each input is observed with everything before it already sparsified, so that the
// thresholds fit the activations they will meet; positions below dense_prefix stay dense there, as
// they will in use. The model leaves with the thresholds in use.
[[nodiscard]] sparsellm::threshold_table calibrate_model(sparsellm::cpu::executor& exec, model& m,
                                                         const std::vector<window>& windows,
                                                         const sparsellm::uniform& how,
                                                         bool sequential, std::size_t dense_prefix,
                                                         const progress& report);

}  // namespace llama
