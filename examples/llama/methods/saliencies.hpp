// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What every weight that reads an activation is worth, by the metrics of pruning.
#pragma once

#include <cstddef>
#include <vector>

#include "methods/matrix.hpp"
#include "methods/observed_text.hpp"
#include "sparsellm/observe/entropy.hpp"

namespace llama {

enum class metric { magnitude, wanda, ria, e_sparse };

struct saliency_options {
  metric score = metric::wanda;
  sparsellm::entropy_options entropy;
  double alpha = 1.0;
  bool root_mean_square = false;  // of a channel, in place of its l2 norm, in E-Sparse
};

// A score for each weight of each matrix. text: at this activation.
[[nodiscard]] std::vector<matrix> saliencies(sparsellm::cpu::executor& exec,
                                             const saliency_options& how, observed_text& text,
                                             std::size_t layer, activation_site site,
                                             const std::vector<matrix>& weights);

}  // namespace llama
