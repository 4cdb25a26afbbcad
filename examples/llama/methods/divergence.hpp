// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How much a model's predictions change when it is sparse: the Kullback-Leibler divergence of its
// next-token distributions from the dense model's.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "methods/calibration.hpp"
#include "model/model.hpp"
#include "model/session.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace llama {

class divergence_meter {
 public:
  // Runs the dense model over the windows. The first half of each stays dense, the last is
  // measured.
  divergence_meter(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows);

  // Nats per token, when each layer skips these shares of its projections' inputs:
  // sparsity [layers][projections]. Changes the model's thresholds.
  [[nodiscard]] double measure(const std::vector<std::vector<double>>& sparsity);

 private:
  // Log-probabilities of the last half of window w, in its rows that are compared.
  void predict(std::size_t w, std::size_t dense_prefix, const activation_observer* observe,
               rows out);

  sparsellm::cpu::executor& exec_;
  model& model_;
  const std::vector<window>& windows_;
  std::size_t half_;
  std::vector<std::unique_ptr<session>> sessions_;    // at the middle of their windows
  std::vector<per_site<sparsellm::histogram>> seen_;  // [layers], dense
  std::vector<sparsellm::buffer<float>> dense_;       // [windows][compared rows, vocabulary]
};

}  // namespace llama
