// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/observe/entropy.hpp"

#include <cmath>
#include <cstdint>
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

namespace {

// In four bins of [0, 4]: channel 0 is counted 1 2 0 0 by `some` and 0 2 1 2 by `others`, channel 1
// 0 1 1 1 and 3 0 0 2.
const channel_stats zero_to_four = ranges_of({{0, 0}, {4, 4}});
const entropy_options four_bins{4, entropy_options::logarithm::natural,
                                entropy_options::range::channel,
                                entropy_options::values::with_sign};
const std::vector<std::vector<float>> some{{0.5f, 3.5f}, {1.5f, 1.5f}, {1.5f, 2.5f}},
    others{{1.5f, 0.5f}, {3.5f, 3.5f}, {2.5f, 0.5f}, {1.5f, 0.5f}, {3.5f, 3.5f}};
const std::vector<std::uint32_t> some_counts{1, 2, 0, 0, 0, 1, 1, 1},
    others_counts{0, 2, 1, 2, 3, 0, 0, 2};

entropy counted(const std::vector<std::vector<float>>& rows) {
  entropy e(zero_to_four, four_bins);
  for (const auto& r : rows) e.observe(r);
  return e;
}
double nats(const std::vector<double>& counts) {
  double sum = 0, h = 0;
  for (const double c : counts) sum += c;
  for (const double c : counts) h -= c == 0 ? 0 : c / sum * std::log(c / sum);
  return h;
}
void check_some_and_others(const entropy& e) {
  CHECK(e.rows() == 8);
  CHECK_THAT(e.value(0), WithinRel(nats({1, 4, 1, 2}), 1e-12));
  CHECK_THAT(e.value(1), WithinRel(nats({3, 1, 1, 3}), 1e-12));
}

}  // namespace

TEST_CASE("entropy: merging adds every count, either way round") {
  entropy a = counted(some);
  CHECK_THAT(a.value(0), WithinRel(nats({1, 2}), 1e-12));
  a.merge(counted(others));
  check_some_and_others(a);
  entropy b = counted(others);
  b.merge(counted(some));
  check_some_and_others(b);

  const std::vector<float> one_bad{1, std::nanf("")}, two_bad{std::nanf(""), std::nanf("")};
  a.merge(counted({one_bad}));
  CHECK_SAYS(a.value(0), value_error, "1 of the observed values");
  a.merge(counted({two_bad}));
  CHECK_SAYS(a.value(0), value_error, "3 of the observed values");
  CHECK(a.rows() == 10);
}

TEST_CASE("entropy: takes over every count that a device made") {
  entropy a = counted(some);
  a.merge(others_counts, 5, 0);
  check_some_and_others(a);
  entropy b = counted(others);
  b.merge(some_counts, 3, 0);
  check_some_and_others(b);

  const std::vector<std::uint32_t> nothing(8, 0u);
  a.merge(nothing, 1, 1);
  CHECK_SAYS(a.value(0), value_error, "1 of the observed values");
  a.merge(nothing, 1, 2);
  CHECK_SAYS(a.value(0), value_error, "3 of the observed values");
  CHECK(a.rows() == 10);
  CHECK_SAYS(b.merge(std::vector<std::uint32_t>(6), 1, 1), shape_error,
             "8 counters expected, got 6");
  check_some_and_others(b);
}

TEST_CASE("entropy: does not merge with what counts something else") {
  entropy mine = counted(some);
  entropy_options how = four_bins;
  how.bins = 5;
  CHECK_SAYS(mine.merge(entropy(zero_to_four, how)), shape_error,
             "2 channels of 4 bins with 2 of 5");
  CHECK_SAYS(mine.merge(entropy(ranges_of({{0, 1}, {4, 5}}), four_bins)), value_error,
             "other ranges, of channel 1");
  CHECK_SAYS(mine.merge(entropy(ranges_of({{0, 0}, {4, 5}}), four_bins)), value_error,
             "other ranges, of channel 1");
  // Of nothing negative the ranges are alike, the counts of what comes later are not.
  how = four_bins;
  how.of = entropy_options::values::absolute;
  CHECK_SAYS(mine.merge(entropy(zero_to_four, how)), value_error,
             "values with their sign with absolute values");
  CHECK_SAYS(entropy(zero_to_four, how).merge(mine), value_error,
             "absolute values with values with their sign");
  how = four_bins;  // the unit is value()'s alone
  how.unit = entropy_options::logarithm::base2;
  mine.merge(entropy(zero_to_four, how));
  CHECK(mine.rows() == 3);
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
