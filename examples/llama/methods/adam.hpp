// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers that are fitted by gradient: Adam (arXiv 1412.6980, algorithm 1).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace llama {

struct adam {
  adam() = default;
  explicit adam(std::size_t size)
      : value(size, 0.0), gradient(size, 0.0), first_(size, 0.0), second_(size, 0.0) {}

  std::vector<double> value;
  std::vector<double> gradient;  // of the loss, of this step; step() sets it to 0

  // Step `number`, from 0 on, of length `rate`.
  void step(std::size_t number, double rate) {
    constexpr double keep_first = 0.9, keep_second = 0.99, epsilon = 1e-12;
    const auto t = static_cast<double>(number + 1);
    for (std::size_t i = 0; i < value.size(); ++i) {
      const double g = gradient[i];
      first_[i] = keep_first * first_[i] + (1 - keep_first) * g;
      second_[i] = keep_second * second_[i] + (1 - keep_second) * g * g;
      const double mean = first_[i] / (1 - std::pow(keep_first, t));
      const double square = second_[i] / (1 - std::pow(keep_second, t));
      value[i] -= rate * mean / (std::sqrt(square) + epsilon);
    }
    std::fill(gradient.begin(), gradient.end(), 0.0);
  }

 private:
  std::vector<double> first_, second_;  // moments
};

}  // namespace llama
