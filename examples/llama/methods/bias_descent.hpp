// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Biases that make up for what is skipped, moved by Adam along the gradients of a loss. One for
// each projection.
#pragma once

#include <cstddef>
#include <vector>

#include "methods/adam.hpp"
#include "model/decoder.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"

namespace llama {

class bias_descent {
 public:
  // All 0, and without a length of their steps yet.
  explicit bias_descent(model& m) : model_(m), biases_(m.shape().layers) {}

  // What the products of a site's projections are [tokens, outputs], whole and as they skip: steps
  // are measured in the root mean square of the difference, of each output. One rate then fits all
  // layers and outputs.
  void measure(std::size_t layer, activation_site site, const_rows whole, const_rows kept);
  // Adds a projection's outputs' gradient [tokens, outputs].
  void add(std::size_t layer, projection p, const_rows of_output);
  // Step `number`, from 0 on, of length `rate`; the model has the biases then.
  void step(std::size_t number, double rate);
  void put_into(sparsellm::threshold_table& table) const;

 private:
  // Of all outputs of a site, in the orders that the model packs them in.
  struct fitted_bias {
    adam in_units;
    std::vector<double> unit;

    [[nodiscard]] std::vector<float> bias() const;
  };

  model& model_;
  std::vector<per_site<fitted_bias>> biases_;  // [layers]
};

}  // namespace llama
