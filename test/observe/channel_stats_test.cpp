// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/observe/channel_stats.hpp"

#include <vector>

#include "catch2_any.hpp"
#include "laws/observer_laws.hpp"

using namespace sparsellm;

TEST_CASE("channel_stats: norms, extremes and firing rates of known rows") {
  channel_stats s(2, 0.5f);
  s.observe(std::vector<float>{3, 0.25f});
  s.observe(std::vector<float>{-4, 0.5f});
  CHECK(s.rows() == 2);
  CHECK(s.l1_norm(0) == 7);
  CHECK(s.l2_norm(0) == 5);
  CHECK_THAT(s.root_mean_square(0), WithinRel(5 / std::sqrt(2.0), 1e-12));
  CHECK(s.min(0) == -4);
  CHECK(s.max(0) == 3);
  CHECK(s.firing_rate(0) == 1);
  CHECK(s.firing_rate(1) == 0);  // strictly greater fires
}

TEST_CASE("channel_stats: satisfies the observer's laws") {
  observer_laws([] { return channel_stats(5); }, 5,
                [](const channel_stats& s) {
                  std::vector<double> all;
                  for (std::size_t c = 0; c < s.channels(); ++c) {
                    all.push_back(s.l2_norm(c));
                    all.push_back(s.l1_norm(c));
                    all.push_back(s.min(c));
                    all.push_back(s.max(c));
                    all.push_back(s.firing_rate(c));
                  }
                  return all;
                });
}

namespace {

// Two channels of which one pair of rows has the minima of the first and the maxima of the second,
// another pair the rest; no sum of theirs is another's.
channel_stats of_rows(const std::vector<std::vector<float>>& rows) {
  channel_stats s(2, 0.5f);
  for (const std::vector<float>& r : rows) s.observe(r);
  return s;
}
const std::vector<std::vector<float>> some{{-4, 0.25f}, {1, 6}},
    others{{8, -3}, {0.5f, 0.125f}, {2, 1}};
void check_some_and_others(const channel_stats& s) {
  CHECK(s.rows() == 5);
  CHECK(s.l1_norm(0) == 15.5);
  CHECK(s.l1_norm(1) == 10.375);
  CHECK(s.l2_norm(0) == std::sqrt(85.25));
  CHECK(s.l2_norm(1) == std::sqrt(46.078125));
  CHECK(s.root_mean_square(0) == std::sqrt(85.25 / 5));
  CHECK(s.min(0) == -4);
  CHECK(s.max(0) == 8);
  CHECK(s.min(1) == -3);
  CHECK(s.max(1) == 6);
  CHECK(s.firing_rate(0) == 4 / 5.0);
  CHECK(s.firing_rate(1) == 3 / 5.0);
}

}  // namespace

TEST_CASE("channel_stats: merging adds every sum and widens every range, either way round") {
  channel_stats a = of_rows(some);
  a.merge(of_rows(others));
  check_some_and_others(a);
  channel_stats b = of_rows(others);
  b.merge(of_rows(some));
  check_some_and_others(b);
}

TEST_CASE("channel_stats: takes over every sum that a device made, and goes on from there") {
  const std::vector<channel_stats::sums> sums{{5, 17, -4, 1, 2}, {6.25, 36.0625, 0.25f, 6, 1}};
  channel_stats from_device(sums, 2, 0.5f);
  CHECK(from_device.rows() == 2);
  CHECK(from_device.l1_norm(0) == 5);
  CHECK(from_device.min(1) == 0.25f);
  CHECK(from_device.max(0) == 1);
  channel_stats merged = of_rows(others);
  merged.merge(from_device);
  check_some_and_others(merged);
  for (const std::vector<float>& r : others) from_device.observe(r);  // fires above 0.5, as there
  check_some_and_others(from_device);
  CHECK_SAYS(channel_stats(std::vector<channel_stats::sums>{}, 0, 0.0f), shape_error,
             "at least 1 channel");
  CHECK_SAYS(channel_stats(sums, 2, -1.0f), value_error, "at least 0");
}

TEST_CASE("channel_stats: refuses what does not fit") {
  CHECK_SAYS(channel_stats(0), shape_error, "at least 1 channel");
  CHECK_SAYS(channel_stats(2, -1.0f), value_error, "at least 0");
  channel_stats s(2);
  CHECK_SAYS(s.observe(std::vector<float>{1}), shape_error, "rows of 2 channels expected, got 1");
  CHECK_SAYS(s.merge(channel_stats(3)), shape_error, "merging 2 channels with 3");
  CHECK_SAYS(s.merge(channel_stats(2, 1.0f)), value_error, "firing thresholds");
}
