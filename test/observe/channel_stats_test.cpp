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

TEST_CASE("channel_stats: refuses what does not fit") {
  CHECK_SAYS(channel_stats(0), shape_error, "at least 1 channel");
  CHECK_SAYS(channel_stats(2, -1.0f), value_error, "at least 0");
  channel_stats s(2);
  CHECK_SAYS(s.observe(std::vector<float>{1}), shape_error, "rows of 2 channels expected, got 1");
  CHECK_SAYS(s.merge(channel_stats(3)), shape_error, "merging 2 channels with 3");
  CHECK_SAYS(s.merge(channel_stats(2, 1.0f)), value_error, "firing thresholds");
}
