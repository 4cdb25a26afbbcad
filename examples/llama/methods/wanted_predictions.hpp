// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The predictions of a model as it is, which one that has lost something is fitted to.
#pragma once

#include <cstddef>
#include <vector>

#include "model/forward.hpp"
#include "sparsellm/core/buffer.hpp"

namespace llama {

class wanted_predictions {
 public:
  // The next window's: the residual stream [tokens, width] after the last block, which is copied.
  void add(const_rows stream);

  // Logits [n, vocabulary] of rows [first, first + n) of window w, of the other model, become the
  // gradient of their Kullback-Leibler divergence from the wanted ones times `weight`: the
  // difference of the probabilities. Returns the sum of the divergences, times `weight`. `head`
  // makes logits of streams. The same bits for every number of threads.
  double meet(forward& head, std::size_t w, std::size_t first, double weight, rows logits);

 private:
  struct kept_stream {
    sparsellm::buffer<float> values;
    std::size_t width;
  };

  std::vector<kept_stream> streams_;  // [windows]
  sparsellm::buffer<float> wanted_;   // logits
};

}  // namespace llama
