// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/observe/entropy.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "laws/observer_laws.hpp"

using namespace sparsellm;

namespace {
channel_stats ranges_of(const std::vector<std::vector<float>>& rows) {
  channel_stats s(rows.front().size());
  for (const auto& r : rows) s.observe(r);
  return s;
}
entropy entropy_of(const std::vector<std::vector<float>>& rows, entropy_options how = {}) {
  entropy e(ranges_of(rows), how);
  for (const auto& r : rows) e.observe(r);
  return e;
}
}  // namespace

TEST_CASE("entropy: of known distributions") {
  // Channel 0: four values, equally often. Channel 1: one value three times of four. 2: constant.
  const entropy e = entropy_of({{0, 0, 7}, {1, 0, 7}, {2, 0, 7}, {3, 1, 7}});
  CHECK_THAT(e.value(0), WithinRel(std::log(4.0), 1e-12));
  CHECK_THAT(e.value(1), WithinRel(-0.75 * std::log(0.75) - 0.25 * std::log(0.25), 1e-12));
  CHECK(e.value(2) == 0.0);
}

TEST_CASE("entropy: the readings that the paper leaves open") {
  const std::vector<std::vector<float>> rows{{-1, 0}, {1, 100}, {-1, 50}, {1, 25}};
  entropy_options how;
  how.unit = entropy_options::logarithm::base2;
  CHECK_THAT(entropy_of(rows, how).value(0), WithinRel(1.0, 1e-12));
  CHECK_THAT(entropy_of(rows, how).value(1), WithinRel(2.0, 1e-12));
  how.of = entropy_options::values::absolute;  // |-1| = |1|
  CHECK(entropy_of(rows, how).value(0) == 0.0);
  how = {};
  how.span = entropy_options::range::tensor;  // bins of 1.01: channel 0 falls into two of them
  CHECK_THAT(entropy_of(rows, how).value(0), WithinRel(std::log(2.0), 1e-12));
  how.bins = 2;
  CHECK(entropy_of(rows, how).value(0) == 0.0);
}

TEST_CASE("entropy: satisfies the observer's laws") {
  channel_stats ranges(5);
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (int r = 0; r < 30; ++r) {
    std::vector<float> row(5);
    for (float& x : row) x = normal(random);
    ranges.observe(row);
  }
  observer_laws([&] { return entropy(ranges); }, 5,
                [](const entropy& e) {
                  std::vector<double> all;
                  for (std::size_t c = 0; c < 5; ++c) all.push_back(e.value(c));
                  return all;
                });
}

TEST_CASE("entropy: says what is wrong") {
  const channel_stats ranges = ranges_of({{0, 1}, {1, 2}});
  entropy_options how;
  how.bins = 1;
  CHECK_SAYS(entropy(ranges, how), value_error, "at least 2 bins expected, got 1");
  CHECK_SAYS(entropy(channel_stats(2)), value_error, "no rows");
  CHECK_SAYS(entropy(ranges).value(0), value_error, "no rows were observed");
  const float inf = std::numeric_limits<float>::infinity();
  CHECK_SAYS(entropy(ranges_of({{0, inf}})), value_error, "channel 1");
  entropy seen(ranges);
  CHECK_SAYS(seen.observe(std::vector<float>{1}), shape_error, "2 channels expected, got 1");
  seen.observe(std::vector<float>{0, std::nanf("")});
  CHECK_SAYS(seen.value(0), value_error, "NaN or infinite");
  CHECK_SAYS(seen.merge(entropy(ranges_of({{0, 1}, {1, 3}}))), value_error, "other ranges");
  CHECK_SAYS(seen.merge(entropy(ranges_of({{0}, {1}}))), shape_error, "merging 2 channels");
}
