// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/sparsify/selector.hpp"

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "laws/selector_laws.hpp"

using namespace sparsellm;

namespace {
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

template <class S>
std::vector<int> kept(const S& s, const std::vector<float>& scores) {
  std::vector<std::uint8_t> keep(scores.size(), 7);
  select(s, scores, keep);
  return {keep.begin(), keep.end()};
}
}  // namespace

TEST_CASE("above: strictly greater stays, NaN stays") {
  CHECK(kept(above{0.5f}, {0.4f, 0.5f, 0.6f, not_a_number}) == std::vector<int>{0, 0, 1, 1});
  CHECK(kept(above{0.0f}, {0.0f, -0.0f, 1e-45f}) == std::vector<int>{0, 0, 1});
}

TEST_CASE("top_k: exactly k, ties keep the lowest index, NaN first") {
  CHECK(kept(top_k{2}, {1, 3, 2, 3}) == std::vector<int>{0, 1, 0, 1});
  CHECK(kept(top_k{2}, {5, 5, 5, 5}) == std::vector<int>{1, 1, 0, 0});
  CHECK(kept(top_k{1}, {9, not_a_number, 10}) == std::vector<int>{0, 1, 0});
  CHECK(kept(top_k{0}, {1, 2}) == std::vector<int>{0, 0});
  CHECK(kept(top_k{9}, {1, 2}) == std::vector<int>{1, 1});
  std::vector<std::uint8_t> short_flags(1);
  CHECK_SAYS(select(top_k{1}, std::vector<float>{1, 2}, short_flags), shape_error,
             "2 scores and 1 flags");
}

TEST_CASE("selectors: keep their laws") {
  selector_laws(above{0.7f});
  selector_laws(top_k{13});
}
