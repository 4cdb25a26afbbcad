// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Pruning of what reads one activation: observe, score, order, mask, make up for what is gone.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "files/pruned_block.hpp"
#include "methods/matrix.hpp"
#include "methods/observed_text.hpp"
#include "methods/pruning.hpp"

namespace llama {

class reconstruction;

class site_pruner {
 public:
  // dense: the text in the dense model, where the update looks at it; else nullptr.
  site_pruner(sparsellm::cpu::executor& exec, const model& m, const pruning& how,
              observed_text& text, observed_text* dense, order_search search)
      : exec_(exec), model_(m), how_(how), text_(text), dense_(dense), search_(std::move(search)) {}

  // Everything that reads `site` of block l, to which the texts have gone.
  void prune(std::size_t l, activation_site site, pruned_block& into);

 private:
  // Nothing for a weight that stays dense.
  [[nodiscard]] std::optional<sparsellm::nm_pattern> pattern_of(std::size_t l, projection p) const;
  [[nodiscard]] sparsellm::channel_order find_order(std::size_t l, activation_site site,
                                                    const std::vector<matrix>& scores) const;
  [[nodiscard]] sparsellm::channel_order order_in_heads(const matrix& scores,
                                                        const shuffling& how) const;
  [[nodiscard]] pruned_weight pruned(sparsellm::nm_pattern p, const matrix& scores, matrix& weight,
                                     const sparsellm::channel_order& order,
                                     const reconstruction* updating, std::size_t l,
                                     activation_site site);
  void measure_error(matrix& weight, std::size_t l, activation_site site, pruned_weight& result);

  sparsellm::cpu::executor& exec_;
  const model& model_;
  const pruning& how_;
  observed_text& text_;
  observed_text* dense_;
  order_search search_;
};

}  // namespace llama
