// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Biases that make up for what is skipped: vectors added to the outputs of o and down, the
// projections that write to the residual stream, fitted by gradient so that the sparse model's
// next-token predictions come near the dense model's. Weights and thresholds are frozen.
#pragma once

#include <cstddef>
#include <vector>

#include "methods/calibration.hpp"
#include "methods/descent.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

// Fits biases by Adam, whose steps are measured in how much a channel loses (root mean square of
// what is skipped of it), to the Kullback-Leibler divergence of the sparse model's predictions from
// the dense model's, at the positions from dense_prefix on of all windows, which are of one length,
// and puts them into the table and the model, whose thresholds must be the table's. Returns the
// divergence that each step met, in nats per token. Memory beside recorded_pass's: a key-value
// cache and a residual stream for each window. The same bits for every number of threads. Throws
// value_error as recorded_pass does, for windows that the prefix leaves nothing of, for a rate that
// is not above 0, and for no windows a step.
std::vector<double> fit_biases(sparsellm::cpu::executor& exec, model& m,
                               const std::vector<window>& windows, std::size_t dense_prefix,
                               const descent& how, sparsellm::threshold_table& table,
                               const progress& report);

}  // namespace llama
