// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What skipping changes in a projection's outputs y: ‖y - y_whole‖² / ‖y_whole‖², where y_whole are
// those of every channel of the same inputs. Biases that make up for skipped channels count.
#pragma once

#include <cstddef>
#include <vector>

#include "model/decoder.hpp"
#include "model/forward.hpp"
#include "model/model.hpp"

namespace llama {

class output_errors {
 public:
  // Of batches of up to max_tokens. Throws value_error for CATS' scores, whose products leave out
  // outputs that nothing reads.
  output_errors(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens);

  // What is about to be multiplied, x [tokens, channels]; rows [0, dense_rows) do not count.
  void add(std::size_t layer, activation_site site, const_rows x, std::size_t dense_rows);

  // The mean over the layers, and over those and the projections; 0 when nothing was added.
  [[nodiscard]] double of(projection p) const noexcept;
  [[nodiscard]] double total() const noexcept;

 private:
  struct squares {
    double error = 0, whole = 0;
  };
  [[nodiscard]] sparsellm::vector_view<const float> of_projection(const_rows y, std::size_t row,
                                                                  projection p) const;

  const model& model_;
  forward steps_;
  std::vector<per_projection<squares>> sums_;  // [layers]
  std::vector<float> whole_, skipping_;
};

}  // namespace llama
