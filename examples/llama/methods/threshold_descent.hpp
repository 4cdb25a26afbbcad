// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thresholds moved along the gradients of a loss while the model as a whole skips as much as
// before: sparsity goes from where the last skipped weight costs most to where it costs least. The
// condition is that of calibrate/one_level.hpp, with what is seen in the sparse model in place of
// an estimate from the dense one.
#pragma once

#include <cstddef>
#include <vector>

#include "model/decoder.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

class threshold_descent {
 public:
  // From the table's thresholds on, which are the model's; what its sites skip together is held.
  threshold_descent(sparsellm::cpu::executor& exec, model& m,
                    const sparsellm::threshold_table& table);

  // What a projection read [tokens, inputs], and the loss's gradient with respect to it, skipped
  // channels too. The same for every number of threads.
  void see(std::size_t layer, projection p, const_rows of_input, const_rows input);
  // Moves the thresholds by what was seen since the last step: each by up to `rate`, or twice
  // that downwards, of its logarithm, and all together to what is held. Thresholds of 0 stay.
  void step(double rate);
  // The thresholds, and how much each site skipped lately, together what is held.
  void put_into(sparsellm::threshold_table& table) const;

 private:
  struct moved_threshold {
    double weights = 0;  // of the projection
    double threshold = 0;
    double most = 1;    // share beyond which it does not go
    double lately = 0;  // skipped share of the last steps, at first the table's
    // Seen since the last step: values, those that were skipped, and those whose score is within
    // a factor of e^±`band` of the threshold, and what skipping all of the latter adds to the loss.
    std::size_t values = 0, skipped = 0, near = 0;
    double harm = 0;

    [[nodiscard]] double share() const noexcept {
      return static_cast<double>(skipped) / static_cast<double>(values);
    }
    // Of the share, by the threshold's logarithm.
    [[nodiscard]] double slope() const noexcept;
    // What skipping adds to the loss, by weights skipped; where none is near: 0.
    [[nodiscard]] double cost_of_weight() const noexcept;
  };

  template <class F>
  void each(const F& body) {
    for (per_projection<moved_threshold>& of_layer : layers_)
      for (const projection p : model_.shape().projections()) body(of_layer[p]);
  }
  void put_into_model();

  sparsellm::cpu::executor& exec_;
  model& model_;
  std::vector<per_projection<moved_threshold>> layers_;
  double held_ = 0;  // weights that are skipped
};

}  // namespace llama
