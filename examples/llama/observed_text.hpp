// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Windows of text on their way through a model, wherever it is computed, and what is seen of them.
// All of them pass one step of a block before any passes the next, so that what a step shows is
// known before the next one runs.
#pragma once

#include <cstddef>
#include <vector>

#include "model.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace llama {

class observed_text {
 public:
  observed_text() = default;
  observed_text(const observed_text&) = delete;
  observed_text& operator=(const observed_text&) = delete;
  virtual ~observed_text() = default;

  // Takes all windows to an input of a block, one input after the other; leave() to its end.
  virtual void go_to(std::size_t layer, input where) = 0;
  virtual void leave(std::size_t layer) = 0;
  // |x| · scale [channels] of the input last gone to, over the rows from `first` on of all windows;
  // no scale is 1.
  [[nodiscard]] virtual sparsellm::histogram magnitudes(std::size_t layer, input where,
                                                        std::size_t first,
                                                        const std::vector<float>& scale) = 0;
  // |silu(gate · x)|, at input::mlp.
  [[nodiscard]] virtual sparsellm::histogram gate_magnitudes(std::size_t layer,
                                                             std::size_t first) = 0;
  // The model's thresholds of what reads this input are others now.
  virtual void thresholds_changed(std::size_t layer, input where) = 0;
};

}  // namespace llama
