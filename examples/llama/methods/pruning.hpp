// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// E-Sparse for a model, and what it is compared with: statistics of every activation over windows
// of tokens, an order of its channels, and a mask for each projection that reads it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "files/pruned_block.hpp"
#include "methods/calibration.hpp"
#include "methods/observed_text.hpp"
#include "methods/shuffling.hpp"
#include "model/model.hpp"
#include "sparsellm/observe/entropy.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

enum class metric { magnitude, wanda, ria, e_sparse };

// What becomes of the weights that stay.
enum class kept_weights {
  as_they_are,
  updated,  // by the optimal-brain-surgeon step, under the metric's mask
  chosen    // the same, with the mask chosen on the way, as SparseGPT does
};

struct pruning : shuffling {
  metric score = metric::wanda;
  // Each block's statistics are taken on the outputs of the pruned blocks before it (as Wanda's
  // code does), not of the dense ones.
  bool sequential = false;
  sparsellm::entropy_options entropy;
  double alpha = 1.0;
  bool root_mean_square = false;  // of a channel, in place of its l2 norm, in E-Sparse
  kept_weights update = kept_weights::as_they_are;
  double damping = 0.01;  // of the Gram matrix's mean diagonal
  // Projections (by name) and layers that stay dense.
  std::vector<std::string> dense_projections;
  std::vector<std::size_t> dense_layers;
};

// Blocks in turn; each is handed over when it is done, so that one block's masks are in memory at a
// time unless the receiver keeps them. The model must be packed as floats in the file's order.
// Throws value_error for options that do not fit the model. The text is observed and orders are
// searched where the last two say; without them on the CPU.
void prune_model(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
                 const pruning& how, const progress& report,
                 const std::function<void(std::size_t layer, pruned_block)>& done,
                 const text_maker& make_text = make_host_text, order_search search = {});

}  // namespace llama
