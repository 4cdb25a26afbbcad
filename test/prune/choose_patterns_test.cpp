// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/prune/choose_patterns.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"

using namespace sparsellm;

namespace {

using choices = std::vector<std::vector<pattern_cost>>;

pattern_cost sum_of(const choices& weights, const std::vector<std::size_t>& chosen) {
  pattern_cost sum;
  for (std::size_t w = 0; w < weights.size(); ++w) {
    sum.size += weights[w][chosen[w]].size;
    sum.error += weights[w][chosen[w]].error;
  }
  return sum;
}

// The least error of all ways that fit.
double least_error(const choices& weights, double size) {
  std::vector<std::size_t> chosen(weights.size(), 0);
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    const pattern_cost sum = sum_of(weights, chosen);
    if (sum.size <= size) least = std::min(least, sum.error);
    std::size_t w = 0;
    for (; w < weights.size() && ++chosen[w] == weights[w].size(); ++w) chosen[w] = 0;
    if (w == weights.size()) return least;
  }
}

}  // namespace

TEST_CASE("choose_patterns: fits, and is within one change of the least error") {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  for (int trial = 0; trial < 40; ++trial) {
    choices weights;
    double largest_change = 0, all = 0, smallest = 0;
    for (int w = 0; w < 6; ++w) {
      const double size = 1 + 4 * uniform(random), error = uniform(random);
      weights.push_back({{0.5625 * size, error},
                         {0.5625 * size, 0.8 * error},  // as large and better
                         {0.8125 * size, 0.3 * error * uniform(random)},
                         {size, 0.0}});
      largest_change = std::max(largest_change, 0.4375 * size);
      all += size;
      smallest += 0.5625 * size;
    }
    const double limit = smallest + (all - smallest) * uniform(random);
    const std::vector<std::size_t> chosen = choose_patterns(weights, limit);
    const pattern_cost sum = sum_of(weights, chosen);
    CHECK(sum.size <= limit * (1 + 1e-12));
    CHECK(sum.error >= least_error(weights, limit) - 1e-12);
    CHECK(sum.error <= least_error(weights, limit - largest_change) + 1e-12);
    for (const std::size_t i : chosen) CHECK(i != 0);
    CHECK(choose_patterns(weights, limit) == chosen);
  }
}

TEST_CASE("choose_patterns: takes what is best when everything fits, refuses what does not") {
  const choices weights{{{1, 5}, {2, 1}, {4, 0}}, {{3, 0}, {1, 9}}};
  CHECK(choose_patterns(weights, 7) == std::vector<std::size_t>{2, 0});
  CHECK(choose_patterns(weights, 2) == std::vector<std::size_t>{0, 1});
  CHECK(choose_patterns({}, 0).empty());
  CHECK_SAYS(choose_patterns(weights, 1.5), value_error, "a size of at least 2 expected, got 1.5");
  CHECK_SAYS(choose_patterns({{}}, 1), value_error, "weight 0 has no choices");
  CHECK_SAYS(choose_patterns({{{1, -1}}}, 1), value_error, "at least 0 expected, got 1 and -1");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_SAYS(choose_patterns({{{nan, 1}}}, 1), value_error, "for weight 0");
}
