// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Gains of the norms that make up for pruned weights: the vectors that RMSNorm multiplies with,
// before attention and before the MLP, fitted by gradient so that the pruned model's next-token
// predictions come near the dense model's. Weights are frozen. After PERP (arXiv 2312.15230), which
// retrains the norms' parameters of a pruned model on text.
#pragma once

#include <cstddef>
#include <vector>

#include "files/pruned_block.hpp"
#include "methods/calibration.hpp"
#include "methods/descent.hpp"
#include "methods/wanted_predictions.hpp"
#include "model/model.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

// The predictions of a model, all of whose channels count, at every position of all windows, which
// are of one length.
wanted_predictions predictions_of(sparsellm::cpu::executor& exec, const model& m,
                                  const std::vector<window>& windows, const progress& report);

// Fits the gains of a model that is pruned already, by Adam, whose steps are shares of a gain, to
// the Kullback-Leibler divergence of its predictions from `wanted`, the dense model's on the same
// windows, and puts them into the model and the blocks. A gain of 0 stays 0. Returns the divergence
// that each step met, in nats per token. Memory: recorded_pass's, and `wanted`. The same bits for
// every number of threads. Throws value_error as recorded_pass does, for a rate that is not above
// 0, and for no windows a step.
std::vector<double> fit_gains(sparsellm::cpu::executor& exec, model& m,
                              const std::vector<window>& windows, const descent& how,
                              wanted_predictions& wanted, std::vector<pruned_block>& blocks,
                              const progress& report);

}  // namespace llama
