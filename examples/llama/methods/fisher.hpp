// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// An allocation by one backward pass of the dense model: how much skipping an input harms the
// likelihood of the next token, to second order by the Fisher information's diagonal.
#pragma once

#include <cstddef>
#include <vector>

#include "methods/calibration.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/allocated.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

// Divides a sparsity by one level (calibrate/one_level.hpp) of |x| · √(g² / outputs), g² the mean
// over tokens and channels of the squared gradient of the next token's log-likelihood with respect
// to what the projection reads; of |x - centre| where `centred`. Gradients are of the first
// `gradient_windows` windows, |x| of all; both of the dense model. Takes 1 MiB for each activation
// of a block, and recorded_pass's memory. Throws value_error as recorded_pass and one_level do, and
// for no windows.
[[nodiscard]] sparsellm::allocated allocate_by_fisher(sparsellm::cpu::executor& exec, model& m,
                                                      const std::vector<window>& windows,
                                                      std::size_t gradient_windows, double sparsity,
                                                      bool centred, const progress& report);

}  // namespace llama
