// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/prune/mask.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/prune/retained.hpp"
#include "sparsellm/prune/saliency.hpp"

using namespace sparsellm;

namespace {
// A stable sort, largest first, is the rule: of equal scores the earlier stays.
std::vector<bool> expected_row(const std::vector<float>& scores, nm_pattern p) {
  std::vector<bool> keep(scores.size(), false);
  for (std::size_t first = 0; first < scores.size(); first += p.m) {
    std::vector<std::size_t> order(std::min(p.m, scores.size() - first));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = first + i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    for (std::size_t k = 0; k < std::min(p.n, order.size()); ++k) keep[order[k]] = true;
  }
  return keep;
}
}  // namespace

TEST_CASE("mask: the best N of every M for every pattern, ties to the lowest index") {
  std::mt19937 random(3);
  std::uniform_int_distribution<int> few(0, 6);
  cpu::executor exec(2);
  std::size_t wrong = 0;
  for (std::size_t m = 2; m <= detail::longest_group; ++m)
    for (std::size_t n = 1; n < m; ++n) {
      const std::size_t rows = 3, inputs = 2 * m + n % m;  // with a short last group
      std::vector<float> scores(rows * inputs);
      for (float& s : scores) s = static_cast<float>(few(random));
      const weight_mask mask =
          best_of_groups(exec, {n, m}, matrix_view<const float>(scores.data(), rows, inputs));
      wrong += mask.follows({n, m}) ? 0 : 1;
      for (std::size_t r = 0; r < rows; ++r) {
        const std::vector<bool> expected =
            expected_row({scores.begin() + static_cast<std::ptrdiff_t>(r * inputs),
                          scores.begin() + static_cast<std::ptrdiff_t>((r + 1) * inputs)},
                         {n, m});
        for (std::size_t c = 0; c < inputs; ++c) wrong += mask.keeps(r, c) != expected[c];
        wrong += mask.kept(r) != nm_pattern{n, m}.kept(inputs);
      }
    }
  CHECK(wrong == 0);
}

TEST_CASE("mask: zeros and negative zeros are kept when their score says so") {
  cpu::executor exec(1);
  const std::vector<float> scores(8, 0.0f);
  const weight_mask mask =
      best_of_groups(exec, {2, 4}, matrix_view<const float>(scores.data(), 1, 8));
  CHECK(mask.row(0)[0] == 0x33);
  CHECK(mask.follows({2, 4}));
  CHECK_FALSE(mask.follows({1, 4}));
}

TEST_CASE("saliency: magnitude, Wanda, E-Sparse and RIA of known weights") {
  cpu::executor exec(2);
  const std::vector<float> w{1, -2, 3, 4};
  const matrix_view<const float> view(w.data(), 2, 2);
  std::vector<float> scores(4);
  const matrix_view<float> out(scores.data(), 2, 2);
  score_weights(exec, view, scaled_magnitude{}, out);
  CHECK(scores == std::vector<float>{1, 2, 3, 4});
  const std::vector<double> norms{4, 9}, entropies{1, 0};
  const std::vector<float> wanda = wanda_scale(norms);
  score_weights(exec, view, scaled_magnitude{wanda.data()}, out);
  CHECK(scores == std::vector<float>{4, 18, 12, 36});
  CHECK(e_sparse_scale(entropies, norms, 0.5) == std::vector<float>{3, 4.5f});
  score_weights(exec, view, ria(exec, view, norms), out);
  // (|w| / column sum + |w| / row sum) · sqrt(norm)
  const float expected[] = {(1 / 4.0f + 1 / 3.0f) * 2, (2 / 6.0f + 2 / 3.0f) * 3,
                            (3 / 4.0f + 3 / 7.0f) * 2, (4 / 6.0f + 4 / 7.0f) * 3};
  for (std::size_t i = 0; i < 4; ++i) CHECK_THAT(scores[i], WithinRel(expected[i], 1e-6f));
}

TEST_CASE("retained score: plain, without groups, efficacy") {
  cpu::executor exec(2);
  const std::vector<float> scores{8, 7, 6, 5, 1, 1, 1, 1};
  const matrix_view<const float> view(scores.data(), 1, 8);
  CHECK(total_score(exec, view) == 30);
  CHECK(retained_score(exec, view, best_of_groups(exec, {2, 4}, view)) == 17);
  CHECK(retained_without_groups(exec, {2, 4}, view) == 26);
  retention r{30, 17, 17, 26};
  r += {31, 18, 27, 28};
  CHECK(r.total == 61);
  CHECK(r.plain == 35);
  CHECK(r.shuffled == 44);
  CHECK(r.without_groups == 54);
  CHECK(r.efficacy() == 9 / 19.0);
  CHECK(retention{}.efficacy() == 0.0);
}

TEST_CASE("pruning: says what is wrong") {
  cpu::executor exec(1);
  const std::vector<float> scores(8, 1.0f);
  const matrix_view<const float> view(scores.data(), 2, 4);
  for (const nm_pattern p : {nm_pattern{0, 4}, {4, 4}, {5, 4}, {1, 33}})
    CHECK_SAYS(best_of_groups(exec, p, view), value_error, "1 <= N < M <= 32 expected");
  CHECK_SAYS(weight_mask({0, 4}), shape_error, "at least 1x1");
  std::vector<float> out(8);
  const std::vector<float> bad{1, std::nanf(""), 1, 1};
  CHECK_SAYS(
      score_weights(exec, view, scaled_magnitude{bad.data()}, matrix_view<float>(out.data(), 2, 4)),
      value_error, "weight [0, 1]");
  CHECK_SAYS(score_weights(exec, view, scaled_magnitude{}, matrix_view<float>(out.data(), 4, 2)),
             shape_error, "2x4 scores expected");
  const std::vector<double> norms{1, -1, 1, 1}, three(3, 1.0), four(4, 1.0);
  CHECK_SAYS(wanda_scale(norms), value_error, "channel 1 is -1");
  CHECK_SAYS(e_sparse_scale(three, four), shape_error, "3 entropies and 4 norms");
  CHECK_SAYS(e_sparse_scale(four, four, -1.0), value_error, "alpha");
  CHECK_SAYS(ria(exec, view, three), shape_error, "4 norms expected, got 3");
  CHECK_SAYS(retained_score(exec, view, weight_mask({2, 5})), shape_error, "2x4");
}
