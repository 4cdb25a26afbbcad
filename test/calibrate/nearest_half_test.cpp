// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/calibrate/nearest_half.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "catch2_any.hpp"

using sparsellm::mean_of_nearest_half;
using sparsellm::vector_view;

namespace {

float centre_of(std::vector<float> values) {
  return mean_of_nearest_half(vector_view<float>(values));
}

// Every run of half of the sorted values, summed anew.
double by_definition(std::vector<float> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() - values.size() / 2;
  double least = INFINITY, best = 0;
  for (std::size_t first = 0; first + half <= values.size(); ++first) {
    double mean = 0, spread = 0;
    for (std::size_t i = first; i < first + half; ++i) mean += static_cast<double>(values[i]);
    mean /= static_cast<double>(half);
    for (std::size_t i = first; i < first + half; ++i)
      spread += (static_cast<double>(values[i]) - mean) * (static_cast<double>(values[i]) - mean);
    if (spread < least * (1 - 1e-12)) {
      least = spread;
      best = mean;
    }
  }
  return best;
}

}  // namespace

TEST_CASE("mean_of_nearest_half: is the mean of the half that varies least") {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (const std::size_t n : {1u, 2u, 3u, 10u, 101u, 400u}) {
    std::vector<float> values;
    for (std::size_t i = 0; i < n; ++i)
      values.push_back(i % 3 == 0 ? normal(random) * 5.0f : 1000.0f + normal(random));
    CHECK(std::fabs(static_cast<double>(centre_of(values)) - by_definition(values)) < 1e-3);
  }
}

TEST_CASE("mean_of_nearest_half: where most values are, however far the others") {
  std::vector<float> values(60, 0.25f);
  for (int i = 0; i < 40; ++i) values.push_back(1e6f * static_cast<float>(i));
  CHECK(centre_of(values) == 0.25f);
  std::reverse(values.begin(), values.end());
  CHECK(centre_of(values) == 0.25f);
}

TEST_CASE("mean_of_nearest_half: goes where the values go") {
  std::mt19937 random(5);
  std::vector<float> values, moved;
  for (int i = 0; i < 99; ++i) {
    values.push_back(static_cast<float>(random() % 1000));
    moved.push_back(values.back() * 2.0f + 4096.0f);
  }
  CHECK(std::fabs(centre_of(moved) - (centre_of(values) * 2.0f + 4096.0f)) < 1e-3f);
}

TEST_CASE("mean_of_nearest_half: of equally near halves the lower, and none of nothing") {
  CHECK(centre_of({7.0f, 1.0f, 8.0f, 2.0f}) == 1.5f);
  CHECK_SAYS(centre_of({}), sparsellm::shape_error, "at least 1 value expected, got 0");
  CHECK_SAYS(centre_of({1.0f, NAN}), sparsellm::value_error, "finite values expected, got nan");
  CHECK_SAYS(centre_of({INFINITY}), sparsellm::value_error, "finite values expected, got inf");
}
