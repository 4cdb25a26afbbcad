// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A block after pruning: what a checkpoint holds of it, and what that keeps and costs.
#pragma once

#include <vector>

#include "files/orders.hpp"
#include "files/projection.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"
#include "sparsellm/prune/retained.hpp"

namespace llama {

// Rows and columns as in the file.
struct pruned_weight {
  sparsellm::weight_mask mask;    // empty: left dense
  sparsellm::nm_pattern pattern;  // that the mask follows in the order of channels
  // [outputs, inputs]: the weights where pruning changed them; empty: they are the file's.
  sparsellm::buffer<float> values;
  sparsellm::retention retained;
  // Of its output over the calibration tokens, both squared: the error that the mask makes, and the
  // dense output.
  double error = 0, energy = 0;
};

struct pruned_block {
  block_orders orders;
  per_projection<pruned_weight> weights;
  // [width] of the norms before attention and before the MLP; empty: they are the file's.
  std::vector<float> attention_gain{}, mlp_gain{};
};

}  // namespace llama
