// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/calibrate/allocated.hpp"
#include "sparsellm/calibrate/greedy.hpp"
#include "sparsellm/calibrate/one_level.hpp"
#include "sparsellm/calibrate/profile.hpp"

using namespace sparsellm;
using Catch::Matchers::WithinAbs;

namespace {

// Three projections; skipping hurts the first least.
double toy_error(const std::vector<double>& s) {
  return 1 * s[0] * s[0] + 4 * s[1] * s[1] + 9 * s[2] * s[2];
}

greedy_search toy() { return {{100, 200, 400}, 0.01, 0.9, {}}; }

const auto ignore = [](std::size_t) {};

std::vector<site_observation> llama_sites(extents kv) {
  std::vector<site_observation> sites;
  const extents shapes[] = {{4096, 4096},  kv,           kv, {4096, 4096}, {11008, 4096},
                            {11008, 4096}, {4096, 11008}};
  for (std::size_t p = 0; p < 7; ++p)
    sites.push_back({{0, std::string(detail::llama_profile::projections[p])}, shapes[p], nullptr});
  return sites;
}

}  // namespace

TEST_CASE("greedy: every step skips as much of the block, and takes the least harmful") {
  greedy_search search = toy();
  search.run(0.5, [](const std::vector<double>& s, std::size_t) { return toy_error(s); }, ignore);
  REQUIRE(search.path.size() == 51);
  for (std::size_t i = 1; i < search.path.size(); ++i) {
    CHECK_THAT(block_sparsity(search.path[i].sparsity, search.weights),
               WithinAbs(0.01 * static_cast<double>(i), 1e-9));
    CHECK(search.path[i].error == toy_error(search.path[i].sparsity));
    // No other projection would have done better.
    for (std::size_t p = 0; p < 3; ++p) {
      std::vector<double> other = search.path[i - 1].sparsity;
      other[p] += 0.01 * 700 / search.weights[p];
      if (other[p] <= search.most) CHECK(toy_error(other) >= search.path[i].error);
    }
  }
  CHECK(search.path.back().sparsity[0] > search.path.back().sparsity[2]);
  const std::vector<double> same(3, 0.5);
  CHECK(search.nearest(0.5).error < toy_error(same));
}

TEST_CASE("greedy: goes on from a stored path to the same result, and stops at the limits") {
  const auto error = [](const std::vector<double>& s, std::size_t) { return toy_error(s); };
  greedy_search once = toy(), twice = toy();
  once.run(0.6, error, ignore);
  twice.run(0.2, error, ignore);
  greedy_search resumed = toy();
  resumed.path = twice.path;
  resumed.run(0.6, error, ignore);
  REQUIRE(resumed.path.size() == once.path.size());
  CHECK(resumed.path.back().sparsity == once.path.back().sparsity);
  once.run(0.99, error, ignore);
  for (const double s : once.path.back().sparsity) CHECK(s <= 0.9);
  CHECK(once.reached() < 0.91);
}

TEST_CASE("greedy: refuses settings that make no sense") {
  const auto error = [](const std::vector<double>&, std::size_t) { return 0.0; };
  greedy_search none{{}, 0.01, 0.9, {}}, still{{1}, 0.0, 0.9, {}}, all{{1}, 0.1, 1.0, {}};
  CHECK_SAYS(none.run(0.5, error, ignore), value_error, "needs a positive weight");
  CHECK_SAYS(still.run(0.5, error, ignore), value_error, "the step must be in (0, 1), got 0");
  CHECK_SAYS(all.run(0.5, error, ignore), value_error, "the limit must be in (0, 1), got 1");
}

TEST_CASE("profile: skips what is asked in all, more in o and down than in up") {
  for (const extents kv : {extents{4096, 4096}, extents{1024, 4096}})
    for (const double wanted : {0.0, 0.1, 0.25, 0.4, 0.5, 0.65, 0.9}) {
      const auto sites = llama_sites(kv);
      const std::vector<double> shares = profile{wanted}.allocate(sites);
      double skipped = 0, all = 0;
      for (std::size_t p = 0; p < 7; ++p) {
        const auto size = static_cast<double>(sites[p].shape.outputs * sites[p].shape.inputs);
        skipped += size * shares[p];
        all += size;
        CHECK(shares[p] >= 0.0);
        CHECK(shares[p] < 1.0);
      }
      CHECK_THAT(skipped / all, WithinAbs(wanted, 1e-6));
      if (wanted > 0) {
        CHECK(shares[3] > shares[5]);
        CHECK(shares[6] > shares[5]);
      }
    }
  // With Llama-2-7B's shapes the profile is what it was made from.
  const auto at_half = profile{0.5}.allocate(llama_sites({4096, 4096}));
  CHECK_THAT(at_half[5], WithinAbs(0.4047, 0.005));
  CHECK_THAT(at_half[6], WithinAbs(0.5866, 0.005));
}

TEST_CASE("profile: refuses other projections and sparsities outside their range") {
  auto sites = llama_sites({4096, 4096});
  CHECK_SAYS((void)profile{1.0}.allocate(sites), value_error, "must be in [0, 1), got 1");
  sites[2].where.projection = "w3";
  CHECK_SAYS((void)profile{0.5}.allocate(sites), value_error, "got 'w3'");
}

TEST_CASE("allocated: gives each site its share, and names one it does not have") {
  const allocated a{"by hand", 0.5, {{{0, "q"}, 0.4}, {{1, "q"}, 0.6}}};
  std::vector<site_observation> sites{{{1, "q"}, {4, 4}, nullptr}, {{0, "q"}, {4, 4}, nullptr}};
  CHECK(a.allocate(sites) == std::vector<double>{0.6, 0.4});
  sites.push_back({{2, "q"}, {4, 4}, nullptr});
  CHECK_SAYS((void)a.allocate(sites), format_error, "'by hand': nothing for layer 2 q");
}

TEST_CASE("one_level: sites meet one level of harm and skip what is asked together") {
  histogram small, large;  // |x| uniform in (0, 1], and in (0, 4]
  for (int i = 1; i <= 4000; ++i) {
    small.add(static_cast<float>(i) / 4000, 1);
    large.add(static_cast<float>(i) / 1000, 1);
  }
  const std::vector<site_observation> sites{
      {{0, "q"}, {10, 20}, &small}, {{0, "o"}, {30, 20}, &large}, {{1, "q"}, {10, 20}, &small}};
  const one_level how{"toy", 0.25, {1.0, 2.0, 3.0}};
  const std::vector<double> shares = how.allocate(sites);
  CHECK_THAT((200 * shares[0] + 600 * shares[1] + 200 * shares[2]) / 1000, WithinAbs(0.25, 1e-3));
  // Thresholds times harms: the same.
  const double level = static_cast<double>(small.quantile(shares[0]));
  CHECK_THAT(static_cast<double>(large.quantile(shares[1])) * 2, WithinAbs(level, 3e-3));
  CHECK_THAT(static_cast<double>(small.quantile(shares[2])) * 3, WithinAbs(level, 3e-3));
  CHECK(one_level{"toy", 0.0, {1, 1, 1}}.allocate(sites) == std::vector<double>(3, 0.0));
  // A site that does next to no harm is not skipped whole.
  CHECK(one_level{"toy", 0.3, {1e-9, 1, 1}}.allocate(sites)[0] == one_level::most_of_a_site);

  CHECK_THROWS_AS((one_level{"toy", 0.95, {1, 1, 1}}.allocate(sites)), value_error);
  CHECK_THROWS_AS((one_level{"toy", 0.5, {1, 1}}.allocate(sites)), shape_error);
  CHECK_THROWS_AS((one_level{"toy", 0.5, {1, 0, 1}}.allocate(sites)), value_error);
  CHECK_THROWS_AS((one_level{"toy", 0.5, {1}}.allocate({{{0, "q"}, {1, 1}, nullptr}})),
                  value_error);
}
