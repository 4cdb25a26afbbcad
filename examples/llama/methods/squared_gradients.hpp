// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The diagonal of the Fisher information, summed at each projection: how much the likelihood of the
// next token changes with what a projection reads and gives, in the dense model.
#pragma once

#include <cstddef>
#include <vector>

#include "methods/calibration.hpp"
#include "model/model.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

// Of a projection: sums over tokens and channels, or outputs, of squared gradients of the next
// token's log-likelihood.
struct squared_gradient {
  double of_input = 0, of_output = 0;
};

struct squared_gradients {
  std::vector<per_projection<squared_gradient>> layers;
  double tokens = 0;  // that were summed over
};

// Of the first `count` windows, or all when there are fewer. Takes recorded_pass's memory. The same
// for every number of threads. Throws value_error as recorded_pass does, and for no windows.
[[nodiscard]] squared_gradients sum_squared_gradients(sparsellm::cpu::executor& exec,
                                                      const model& m,
                                                      const std::vector<window>& windows,
                                                      std::size_t count, const progress& report);

}  // namespace llama
