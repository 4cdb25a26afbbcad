// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "catch2_any.hpp"
#include "laws/observer_laws.hpp"
#include "reconstruct/matrices.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/reconstruct/update.hpp"

using namespace sparsellm;

namespace {

// Removes weights one after the other as Hassibi and Stork do it, with the inverse of what is left
// made anew each time.
std::vector<double> brain_surgeon(const square& h, std::vector<double> w, const weight_mask& mask,
                                  std::size_t row) {
  const std::size_t n = w.size();
  for (std::size_t j = 0; j < n; ++j) {
    if (mask.keeps(row, j)) continue;
    square left(n - j, std::vector<double>(n - j));
    for (std::size_t a = j; a < n; ++a)
      for (std::size_t b = j; b < n; ++b) left[a - j][b - j] = h[a][b];
    const square inverted = inverse(left);
    const double error = w[j] / inverted[0][0];
    for (std::size_t k = j; k < n; ++k) w[k] -= error * inverted[0][k - j];
    w[j] = 0;
  }
  return w;
}

}  // namespace

TEST_CASE("gram: satisfies the observer's laws") {
  observer_laws([] { return gram(5); }, 5,
                [](const gram& g) {
                  std::vector<double> all{static_cast<double>(g.rows())};
                  for (std::size_t i = 0; i < 5; ++i)
                    for (std::size_t j = 0; j < 5; ++j) all.push_back(g(i, j));
                  return all;
                });
  CHECK_SAYS(gram(0), shape_error, "at least 1 channel");
  gram g(3);
  CHECK_SAYS(g.observe(std::vector<float>{1, 2}), shape_error, "3 channels expected, got 2");
  CHECK_SAYS(g.merge(gram(4)), shape_error, "merging 3 channels with 4");
}

TEST_CASE("gram: rows at once give what rows give one by one, whatever the threads") {
  const matrix x = activations(700, 530, 1);  // more than one block of either
  gram one_by_one(530);
  for (std::size_t r = 0; r < x.rows; ++r) one_by_one.observe(x.view().row(r));
  cpu::executor one(1);
  const gram first = gram_of(one, x);
  CHECK(first.rows() == 700);
  double largest = 0;
  for (std::size_t i = 0; i < 530; ++i)
    for (std::size_t j = i; j < 530; ++j)
      largest = std::max(largest, std::fabs(first(i, j) - one_by_one(i, j)) /
                                      std::sqrt(one_by_one(i, i) * one_by_one(j, j)));
  CHECK(largest < 1e-6);
  for (const std::size_t threads : {2u, 3u}) {
    cpu::executor exec(threads);
    const gram again = gram_of(exec, x);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < 530; ++i)
      for (std::size_t j = i; j < 530; ++j) wrong += first(i, j) != again(i, j) ? 1 : 0;
    CHECK(wrong == 0);
  }
}

TEST_CASE("gram_factor: its square is the inverse, in any order of channels") {
  cpu::executor exec(2);
  constexpr std::size_t n = 37;
  const matrix x = activations(200, n, 2);
  std::vector<std::uint32_t> at(n);
  for (std::size_t i = 0; i < n; ++i) at[i] = static_cast<std::uint32_t>(i * 5 % n);
  const channel_order shuffled(at);
  for (const channel_order& order : {channel_order(), shuffled}) {
    const gram_factor u(gram_of(exec, x), 0.01, order);
    const square h = damped(gram_of(exec, x), 0.01);
    double largest = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;  // (UᵀU H)_ij
        for (std::size_t k = 0; k < n; ++k) {
          double uu = 0;
          for (std::size_t m = 0; m <= std::min(i, k); ++m)
            uu += static_cast<double>(u(m, i)) * static_cast<double>(u(m, k));
          const std::size_t a = order.size() == 0 ? k : order[k],
                            b = order.size() == 0 ? j : order[j];
          sum += uu * h[a][b];
        }
        largest = std::max(largest, std::fabs(sum - (i == j ? 1.0 : 0.0)));
      }
    CHECK(largest < 1e-3);
  }
  CHECK_SAYS(gram_factor(gram(3), 0.0), value_error, "damping in (0, 1] expected, got 0");
  CHECK_SAYS(gram_factor(gram(3), 0.1, channel_order::identity(4)), shape_error, "order of 3");
  gram broken(2);
  broken.observe(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 1});
  CHECK_SAYS(gram_factor(std::move(broken)), value_error,
             "channel 0 had a value that is not finite");
}

TEST_CASE("update_kept: is the optimal brain surgeon's, weight by weight") {
  cpu::executor exec(2);
  constexpr std::size_t n = 20, rows = 3;
  const matrix x = activations(100, n, 3), w = weights(rows, n, 4);
  const weight_mask mask = mask_of(exec, w, {2, 4});
  matrix updated = w;
  update_kept(exec, gram_factor(gram_of(exec, x)), mask, updated.view());
  const square h = damped(gram_of(exec, x), 0.01);
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<double> row(w.view().row(r).begin(), w.view().row(r).end());
    row = brain_surgeon(h, row, mask, r);
    for (std::size_t c = 0; c < n; ++c) {
      INFO(r << " " << c);
      CHECK_THAT(static_cast<double>(updated.view()(r, c)), WithinAbs(row[c], 2e-4));
      if (!mask.keeps(r, c)) CHECK(updated.view()(r, c) == 0.0f);
    }
  }
}

TEST_CASE("update_kept: over blocks of channels and rows, better than the mask alone, same bits") {
  cpu::executor exec(1);
  constexpr std::size_t n = 300, rows = 270;
  const matrix x = activations(600, n, 5), w = weights(rows, n, 6);
  const gram_factor factor(gram_of(exec, x));
  // 128 channels at once are no whole groups of 5.
  for (const nm_pattern p : {nm_pattern{2, 4}, nm_pattern{4, 8}, nm_pattern{3, 5}}) {
    const weight_mask mask = mask_of(exec, w, p);
    matrix masked = w, updated = w, chosen = w;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < n; ++c)
        if (!mask.keeps(r, c)) masked.view()(r, c) = 0.0f;
    update_kept(exec, factor, mask, updated.view());
    const weight_mask own = update_kept(exec, factor, p, chosen.view());
    CHECK(own.follows(p));
    const double plain = output_error(x, w, x, masked), better = output_error(x, w, x, updated),
                 best = output_error(x, w, x, chosen);
    CHECK(better < 0.6 * plain);
    CHECK(best < 0.6 * plain);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < n; ++c)
        if (!own.keeps(r, c)) REQUIRE(chosen.view()(r, c) == 0.0f);
    for (const std::size_t threads : {2u, 4u}) {
      cpu::executor others(threads);
      matrix again = w, chosen_again = w;
      update_kept(others, factor, mask, again.view());
      (void)update_kept(others, factor, p, chosen_again.view());
      CHECK(again.data == updated.data);
      CHECK(chosen_again.data == chosen.data);
    }
  }
}

TEST_CASE("update_kept: dead channels go first and change nothing") {
  cpu::executor exec(2);
  constexpr std::size_t n = 16;
  matrix x = activations(100, n, 7);
  for (std::size_t r = 0; r < x.rows; ++r) x.view()(r, 5) = 0.0f;
  const matrix w = weights(4, n, 8);
  const gram_factor factor(gram_of(exec, x));
  CHECK(factor.is_dead(5));
  CHECK_FALSE(factor.is_dead(4));
  matrix chosen = w;
  const weight_mask mask = update_kept(exec, factor, nm_pattern{2, 4}, chosen.view());
  for (std::size_t r = 0; r < 4; ++r) CHECK_FALSE(mask.keeps(r, 5));
  // Nothing is left where nothing was seen at all.
  matrix nothing = w;
  const weight_mask of_nothing =
      update_kept(exec, gram_factor(gram(n)), nm_pattern{2, 4}, nothing.view());
  CHECK(of_nothing.follows({2, 4}));
  for (const float v : nothing.data) CHECK(std::isfinite(v));
}

TEST_CASE("update_kept: sizes and patterns that do not fit are refused") {
  cpu::executor exec(1);
  const matrix x = activations(20, 8, 9);
  const gram_factor factor(gram_of(exec, x));
  matrix w(2, 7), good(2, 8);
  CHECK_SAYS(update_kept(exec, factor, weight_mask({2, 7}), w.view()), shape_error,
             "rows of 8 channels expected, got 2x7");
  CHECK_SAYS(update_kept(exec, factor, weight_mask({3, 8}), good.view()), shape_error,
             "a mask of 2x8 expected, got 3x8");
  CHECK_SAYS(update_kept(exec, factor, nm_pattern{4, 4}, good.view()), value_error, "N:M");
}
