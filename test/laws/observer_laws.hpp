// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Laws every observer keeps. Run them on your own: make() gives a fresh observer of `channels`
// channels, results(observer) everything it reports.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/observe/observer.hpp"

template <class Make, class Results>
void observer_laws(const Make& make, std::size_t channels, const Results& results) {
  static_assert(sparsellm::observer<decltype(make())>);
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> rows(30 * channels);
  for (float& x : rows) x = normal(random);
  for (std::size_t i = 0; i < rows.size(); i += 7) rows[i] = 0;  // zeros may be counted apart
  const auto seen = [&](std::size_t first, std::size_t last) {
    auto o = make();
    for (std::size_t r = first; r < last; ++r) o.observe({rows.data() + r * channels, channels});
    return o;
  };
  const auto same = [&](const auto& a, const auto& b) {
    const std::vector<double> x = results(a), y = results(b);
    REQUIRE(x.size() == y.size());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK_THAT(x[i], WithinRel(y[i], 1e-12));
  };
  const auto whole = seen(0, 30);

  auto merged = seen(0, 11);  // merge(a, b) is having seen both
  merged.merge(seen(11, 30));
  same(merged, whole);

  auto swapped = seen(11, 30);  // commutative
  swapped.merge(seen(0, 11));
  same(swapped, whole);

  auto left = seen(0, 5);  // associative
  left.merge(seen(5, 11));
  left.merge(seen(11, 30));
  auto right = seen(5, 11);
  right.merge(seen(11, 30));
  auto first = seen(0, 5);
  first.merge(right);
  same(left, first);

  auto with_nothing = seen(0, 30);  // a fresh observer is neutral
  with_nothing.merge(make());
  same(with_nothing, whole);
}
