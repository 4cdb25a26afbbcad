// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A threshold table fitted to its model: biases that make up for what is skipped, and how sparsity
// is divided between projections, both moved by gradient so that the sparse model's next-token
// predictions come near the dense model's. Weights are frozen.
#pragma once

#include <cstddef>
#include <vector>

#include "methods/calibration.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

struct table_fit {
  std::size_t steps = 0;
  std::size_t windows = 4;  // that each step looks at
  // Of the first step, falling to nothing by the last. Of biases, in units of what an output loses;
  // 0: there are none.
  double bias_rate = 0.05;
  // Of thresholds' logarithms; 0: they stay.
  double threshold_rate = 0.1;
};

// Goes down the Kullback-Leibler divergence of the sparse model's predictions from the dense
// model's, at the positions from dense_prefix on of all windows, which are of one length. The
// table, whose thresholds must be the model's, and the model leave with what was fitted; the table
// has what its sites skipped in the last steps, as much together as before. Returns the divergence
// that each step met, in nats per token. Memory beside recorded_pass's: a key-value cache and a
// residual stream for each window. The same bits for every number of threads. Throws value_error as
// recorded_pass does, for windows that the prefix leaves nothing of, for rates that are negative or
// both 0, and for no windows a step.
std::vector<double> fit_table(sparsellm::cpu::executor& exec, model& m,
                              const std::vector<window>& windows, std::size_t dense_prefix,
                              const table_fit& how, sparsellm::threshold_table& table,
                              const progress& report);

}  // namespace llama
