// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Gradient descent on windows of a text, some of them in each step, in turn.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include "model/model.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

struct descent {
  std::size_t steps = 0;
  std::size_t windows = 4;  // that each step looks at
  double rate = 0.05;       // the first step's length; falls to nothing by the last step
};

// Throws value_error, which begins with `what`, for a rate that is not above 0 and for no windows a
// step.
inline void check(const descent& how, std::string_view what) {
  sparsellm::require<sparsellm::value_error>(how.rate > 0 && std::isfinite(how.rate), what,
                                             ": a rate above 0 expected, got ", how.rate);
  sparsellm::require<sparsellm::value_error>(how.windows != 0, what,
                                             ": at least 1 window a step expected, got 0");
}

// Of each step's `count` windows add_gradient(window, count) adds the gradient of a loss and
// returns its share of it; step(number, rate) then goes. Returns the loss that each step met.
template <class Gradient, class Step>
std::vector<double> descend(const descent& how, std::size_t windows, const Gradient& add_gradient,
                            const Step& step, const progress& report) {
  const std::size_t count = std::min(how.windows, windows);
  std::vector<double> losses;
  for (std::size_t s = 0; s < how.steps; ++s) {
    double loss = 0;
    for (std::size_t i = 0; i < count; ++i) loss += add_gradient((s * count + i) % windows, count);
    losses.push_back(loss);
    step(s, how.rate * (1.0 - static_cast<double>(s) / static_cast<double>(how.steps)));
    report(static_cast<double>(s + 1) / static_cast<double>(how.steps));
  }
  return losses;
}

}  // namespace llama
