// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// The real model pruned as asked for, and what it is worth then.
#pragma once

#include <cmath>
#include <vector>

#include "llama/pruned.hpp"
#include "llama/real_model.hpp"

// Prunes, writes, loads and scores: what prune and perplexity --model do.
struct pruned_outcome {
  double perplexity = 0;
  sparsellm::retention retained;
};
inline pruned_outcome prune_and_score(real_model& r, const std::vector<llama::window>& calibration,
                                      const llama::text_maker& seen,
                                      const std::vector<llama::window>& scored,
                                      sparsellm::nm_pattern pattern, llama::metric score,
                                      bool shuffled) {
  using namespace llama;
  using sparsellm::element_kind;
  pruning how;
  how.pattern = pattern;
  how.score = score;
  how.global_shuffle = how.local_shuffle = shuffled;
  const auto blocks = prune(r.exec, r.m, calibration, how, seen);
  pruned_outcome result{};
  for (const pruned_block& b : blocks)
    for (const pruned_weight& w : b.weights) result.retained += w.retained;
  temporary_folder folder;
  write_checkpoint(output_directory(folder.path(), "", false), {r.m.file(), r.m.shape()}, blocks,
                   pattern, element_kind::bf16, "{}", {});
  model pruned(r.exec, folder.path(), {element_kind::bf16}, quiet);
  session s(r.exec, pruned, 512, 512);
  result.perplexity = std::exp(measure_perplexity(r.exec, s, scored, 512, nullptr, quiet).nll);
  return result;
}

inline double nats(double a, double b) { return std::fabs(std::log(a) - std::log(b)); }
