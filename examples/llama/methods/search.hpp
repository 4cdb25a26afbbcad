// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Allocations that are searched for: TEAL's block-wise greedy one, which gives every block the same
// sparsity, and one that also divides it between blocks. Both run on the CPU.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "methods/block_trial.hpp"
#include "methods/observed_text.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/allocated.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

struct search_options {
  std::string allocation;  // greedy, or layers: divided between blocks too
  error_norm norm = error_norm::token;
  std::size_t windows = 4;  // of those given, the first so many
  std::string state;        // a file that is gone on from, and written after every block; or none
};

// Makes a report for each of a search's steps.
using reporter = std::function<progress(std::string what)>;

// Throws value_error for a sparsity or windows that cannot be searched, and as load_search() does.
[[nodiscard]] sparsellm::allocated search_allocation(sparsellm::cpu::executor& exec, model& m,
                                                     const search_options& how, double sparsity,
                                                     const std::vector<window>& windows,
                                                     const reporter& report);

}  // namespace llama
