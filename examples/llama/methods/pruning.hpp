// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// E-Sparse for a model, and what it is compared with: statistics of every activation over windows
// of tokens, an order of its channels, and a mask for each projection that reads it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "files/pattern_plan.hpp"
#include "files/pruned_block.hpp"
#include "methods/calibration.hpp"
#include "methods/observed_text.hpp"
#include "methods/reconstruction_options.hpp"
#include "methods/saliencies.hpp"
#include "methods/shuffling.hpp"
#include "model/model.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

struct pruning : shuffling, saliency_options, reconstruction_options {
  // Each block's statistics are taken on the outputs of the pruned blocks before it (as Wanda's
  // code does), not of the dense ones; with an update, also on those of what is pruned before it in
  // the block.
  bool sequential = false;
  std::optional<pattern_plan> plan;  // a pattern for each weight, in place of `pattern`
  // Projections (by name) and layers that stay dense.
  std::vector<std::string> dense_projections;
  std::vector<std::size_t> dense_layers;
};

// A block as an earlier run of the same options left it, or nothing.
using block_source = std::function<std::optional<pruned_block>(std::size_t layer)>;

// Blocks in turn; each is handed over when it is done, so that one block's masks are in memory at a
// time unless the receiver keeps them. The model must be packed as floats in the file's order.
// Throws value_error for options that do not fit the model, format_error for a plan of another. The
// text is observed and orders are searched where `make_text` and `search` say; without them on the
// CPU. Blocks that `earlier` has are not pruned again.
void prune_model(sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
                 const pruning& how, const progress& report,
                 const std::function<void(std::size_t layer, pruned_block)>& done,
                 const text_maker& make_text = make_host_text, order_search search = {},
                 const block_source& earlier = {});

// Packs the pruned weights of all blocks in place of the model's.
void put_pruned(sparsellm::cpu::executor& exec, model& m, const std::vector<pruned_block>& blocks);

}  // namespace llama
