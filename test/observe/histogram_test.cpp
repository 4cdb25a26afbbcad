// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/observe/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "laws/observer_laws.hpp"

using namespace sparsellm;

namespace {

// How far, in shares of all values, q lies from what a threshold t really cuts: [P(|x| < t),
// P(|x| <= t)] is the whole interval when t sits on a spike.
double rank_error(const std::vector<float>& sorted, float t, double q) {
  const auto n = static_cast<double>(sorted.size());
  const double below =
      static_cast<double>(std::lower_bound(sorted.begin(), sorted.end(), t) - sorted.begin()) / n;
  const double up_to =
      static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), t) - sorted.begin()) / n;
  return q < below ? below - q : q > up_to ? q - up_to : 0.0;
}

// Two histograms that share the outermost bins and the one of 1: `lower` has each bin's smallest
// value, `upper` its largest, and no count is in both.
const float high = 1.0f + std::ldexp(1.0f, -11);  // in the bin of 1
histogram lower() {
  histogram h;
  h.add(0.0f, 3);
  h.add(std::ldexp(1.0f, -60), 3);
  h.add(1.0f, 2);
  h.add(std::ldexp(1.0f, 20), 7);
  return h;
}
histogram upper() {
  histogram h;
  h.add(-0.0f, 5);
  h.add(std::ldexp(1.0f, -50), 1);
  h.add(high, 6);
  h.add(std::ldexp(-1.0f, 30), 5);
  return h;
}
// The same as a device hands them over.
histogram::bin bin_of_one(std::uint64_t count, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return {count, bits, bits};
}
std::vector<histogram::bin> bins_of(histogram::bin first, histogram::bin middle,
                                    histogram::bin last) {
  std::vector<histogram::bin> bins(histogram::bin_count);
  bins.front() = first;
  bins[histogram::bin_of(std::bit_cast<std::uint32_t>(1.0f))] = middle;
  bins.back() = last;
  return bins;
}
std::vector<histogram::bin> lower_bins() {
  return bins_of(bin_of_one(3, std::ldexp(1.0f, -60)), bin_of_one(2, 1.0f),
                 bin_of_one(7, std::ldexp(1.0f, 20)));
}
std::vector<histogram::bin> upper_bins() {
  return bins_of(bin_of_one(1, std::ldexp(1.0f, -50)), bin_of_one(6, high),
                 bin_of_one(5, std::ldexp(1.0f, 30)));
}

// 8 zeros, then bins of 4, 8 and 12 values, each asked for its middle.
void check_lower_and_upper(const histogram& h) {
  CHECK(h.zeros() == 8);
  CHECK(h.count() == 32);
  CHECK(h.max() == std::ldexp(1.0f, 30));
  CHECK(h.quantile(8 / 32.0) == 0.0f);
  CHECK(h.quantile(10 / 32.0) == (std::ldexp(1.0f, -60) + std::ldexp(1.0f, -50)) / 2);
  CHECK(h.quantile(16 / 32.0) == (1.0f + high) / 2);
  CHECK(h.quantile(26 / 32.0) == (std::ldexp(1.0f, 20) + std::ldexp(1.0f, 30)) / 2);
}

}  // namespace

TEST_CASE("histogram: the share at most a threshold is the quantile's inverse") {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  histogram h;
  std::vector<float> magnitudes;
  for (int i = 0; i < 20000; ++i) {
    const float x = i % 10 == 0 ? 0.0f : normal(random);
    h.add(x, 1);
    magnitudes.push_back(std::fabs(x));
  }
  std::sort(magnitudes.begin(), magnitudes.end());
  for (const double q : {0.11, 0.25, 0.5, 0.9, 0.999})
    CHECK(std::fabs(h.share_at_most(h.quantile(q)) - q) < 1e-4);
  for (const float t : {0.0f, 0.01f, 0.5f, 1.7f, 3.0f})
    CHECK(rank_error(magnitudes, t, h.share_at_most(t)) < 1e-3);
  CHECK(h.share_at_most(-1.0f) == 0.0);
  CHECK(h.share_at_most(0.0f) == 0.1);
  CHECK(h.share_at_most(h.max()) == 1.0);
  CHECK(h.share_at_most(1e30f) == 1.0);
  CHECK_THROWS_AS(histogram{}.share_at_most(1.0f), value_error);
  CHECK_THROWS_AS(h.share_at_most(std::numeric_limits<float>::quiet_NaN()), value_error);
}

TEST_CASE("histogram: quantiles are right to 0.1 percentage point on every kind of data") {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  std::exponential_distribution<double> exponential;
  std::student_t_distribution<double> student(3.0);
  std::uniform_real_distribution<double> uniform;
  const std::vector<std::pair<std::string, std::function<double()>>> kinds{
      {"normal", [&] { return normal(random); }},
      {"normal, tiny", [&] { return 1e-9 * normal(random); }},
      {"Laplace", [&] { return exponential(random) * (uniform(random) < 0.5 ? -1 : 1); }},
      {"Student-t(3)", [&] { return student(random); }},
      // As Mistral's first layer: a fifth of the mass in a spike near zero, and far tails.
      {"narrow spike",
       [&] { return uniform(random) < 0.21 ? 1e-5 * normal(random) : 0.1 * student(random); }},
      {"one outlier in 1,000",
       [&] { return uniform(random) < 0.001 ? 744.0 : 0.01 * normal(random); }},
      {"zeros, as after ReLU", [&] { return std::max(0.0, normal(random)); }},
  };
  for (const auto& [name, draw] : kinds) {
    histogram h;
    std::vector<float> values(400000);
    for (float& v : values) v = static_cast<float>(draw());
    h.observe(values);
    for (float& v : values) v = std::fabs(v);
    std::sort(values.begin(), values.end());
    for (double q = 0.01; q < 0.995; q += 0.01) {
      INFO(name << ", q = " << q << ", t = " << h.quantile(q));
      CHECK(rank_error(values, h.quantile(q), q) <= 0.001);
    }
  }
}

TEST_CASE("histogram: a spike at one value is found to within a bin, and its neighbours exactly") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  histogram h;
  std::vector<float> values(200000);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = i % 10 < 3 ? 0.5f : std::fabs(normal(random));  // 30 % are exactly 0.5
  h.observe(values);
  std::sort(values.begin(), values.end());
  const double below =
      static_cast<double>(std::lower_bound(values.begin(), values.end(), 0.5f) - values.begin()) /
      200000.0;
  for (double q = 0.01; q < 0.995; q += 0.01) {
    const float t = h.quantile(q);
    INFO("q = " << q << ", t = " << t);
    if (q < below - 0.005 || q > below + 0.302)
      CHECK(rank_error(values, t, q) <= 0.001);
    else
      CHECK_THAT(t, WithinAbs(0.5f, 0.5f / 128));
  }
}

TEST_CASE("histogram: satisfies the observer's laws, counts exactly") {
  observer_laws([] { return histogram(); }, 100,
                [](const histogram& h) {
                  std::vector<double> all{static_cast<double>(h.count()), h.max()};
                  if (h.count() != 0)
                    for (double q = 0; q <= 1; q += 0.125) all.push_back(h.quantile(q));
                  return all;
                });
}

TEST_CASE("histogram: zeros, the smallest and the largest floats have a place") {
  histogram h;
  const float denormal = std::numeric_limits<float>::denorm_min();
  const float largest = std::numeric_limits<float>::max();
  h.observe(std::vector<float>{0.0f, -0.0f, denormal, -largest});
  CHECK(h.count() == 4);
  CHECK(h.zeros() == 2);
  CHECK(h.max() == largest);
  CHECK(h.quantile(0.0) == 0.0f);
  CHECK(h.quantile(0.5) == 0.0f);
  CHECK(h.quantile(0.75) > 0.0f);
  CHECK(h.quantile(1.0) == largest);
}

TEST_CASE("histogram: merging adds every count and widens every bin, either way round") {
  histogram a = lower();
  a.merge(upper());
  check_lower_and_upper(a);
  histogram b = upper();
  b.merge(lower());
  check_lower_and_upper(b);

  histogram bad;
  bad.add(std::numeric_limits<float>::quiet_NaN(), 2);
  CHECK(bad.non_finite() == 2);
  a.add(std::numeric_limits<float>::infinity(), 3);
  a.merge(bad);
  CHECK(a.non_finite() == 5);
  CHECK(a.count() == 32);
}

TEST_CASE("histogram: takes over every count that a device made") {
  histogram a = lower();
  a.merge(upper_bins(), 5, 0);
  check_lower_and_upper(a);
  histogram b = upper();
  b.merge(lower_bins(), 3, 0);
  check_lower_and_upper(b);

  const std::vector<histogram::bin> nothing(histogram::bin_count);
  a.merge(nothing, 0, 2);
  a.merge(nothing, 0, 3);
  CHECK(a.non_finite() == 5);
  CHECK(a.count() == 32);
  CHECK_SAYS(b.merge(std::vector<histogram::bin>(3), 1, 1), shape_error,
             "65536 bins expected, got 3");
  check_lower_and_upper(b);
}

TEST_CASE("histogram: refuses quantiles it cannot give") {
  histogram h;
  CHECK_SAYS(h.quantile(0.5), value_error, "no values were observed");
  h.add(1.0f, 1);
  CHECK_SAYS(h.quantile(1.5), value_error, "must be in [0, 1], got 1.5");
  CHECK_SAYS(h.quantile(std::numeric_limits<double>::quiet_NaN()), value_error,
             "must be in [0, 1]");
  h.observe(std::vector<float>{std::numeric_limits<float>::quiet_NaN(),
                               -std::numeric_limits<float>::infinity()});
  CHECK(h.count() == 1);
  CHECK_SAYS(h.quantile(0.5), value_error, "2 of the observed values are NaN or infinite");
}
