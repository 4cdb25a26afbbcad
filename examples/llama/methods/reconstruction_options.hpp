// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How kept weights make up for pruned ones. Apart from what does it, which needs Eigen.
#pragma once

#include <cstddef>

namespace llama {

// What becomes of the weights that stay.
enum class kept_weights {
  as_they_are,
  updated,  // by the optimal-brain-surgeon step, under the metric's mask
  chosen    // the same, with the mask chosen on the way, as SparseGPT does
};

// What the outputs of the weights that are left should come near, where blocks before them are
// pruned already.
enum class update_target {
  own,   // of the dense weight, on what the pruned model gives it
  dense  // of the dense weight in the dense model
};

struct reconstruction_options {
  kept_weights update = kept_weights::as_they_are;
  double damping = 0.01;    // of the Gram matrix's mean diagonal
  std::size_t rounds = 15;  // of conjugate gradients afterwards
  update_target target = update_target::own;
};

}  // namespace llama
