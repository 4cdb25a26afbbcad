// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/reconstruct/refine.hpp"

#include <cmath>
#include <utility>
#include <vector>

#include "catch2_any.hpp"
#include "reconstruct/matrices.hpp"
#include "sparsellm/reconstruct/cross_gram.hpp"
#include "sparsellm/reconstruct/target.hpp"
#include "sparsellm/reconstruct/update.hpp"

using namespace sparsellm;

namespace {

channel_order shuffled(std::size_t n) {
  std::vector<std::uint32_t> at(n);
  for (std::size_t i = 0; i < n; ++i) at[i] = static_cast<std::uint32_t>(i * 5 % n);
  return channel_order(at);
}

// The least squares solution of one row under a mask: H_kk w_k = (H t)_k over the kept weights.
std::vector<double> exact(const square& h, const matrix& target, const weight_mask& mask,
                          std::size_t row) {
  std::vector<std::size_t> kept;
  for (std::size_t c = 0; c < target.cols; ++c)
    if (mask.keeps(row, c)) kept.push_back(c);
  square of_kept(kept.size(), std::vector<double>(kept.size()));
  std::vector<double> right(kept.size(), 0.0), w(target.cols, 0.0);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    for (std::size_t j = 0; j < kept.size(); ++j) of_kept[i][j] = h[kept[i]][kept[j]];
    for (std::size_t c = 0; c < target.cols; ++c)
      right[i] += h[kept[i]][c] * static_cast<double>(target.view()(row, c));
  }
  const square inverted = inverse(of_kept);
  for (std::size_t i = 0; i < kept.size(); ++i)
    for (std::size_t j = 0; j < kept.size(); ++j) w[kept[i]] += inverted[i][j] * right[j];
  return w;
}

}  // namespace

TEST_CASE("damped_gram: products and differences in an order") {
  cpu::executor exec(2);
  constexpr std::size_t n = 24, rows = 300;  // more than are multiplied at once
  const matrix x = activations(60, n, 1), w = weights(rows, n, 2), v = weights(rows, n, 3);
  const gram g = gram_of(exec, x);
  const channel_order order = shuffled(n);
  const damped_gram h(exec, g, 0.02, order);
  const square expected = damped(g, 0.02);
  matrix y(rows, n);
  h.times(exec, w.view(), y.view());
  double largest = 0;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < n; ++c) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i)
        sum += static_cast<double>(w.view()(r, i)) * expected[order[i]][order[c]];
      largest = std::max(largest, std::fabs(sum - static_cast<double>(y.view()(r, c))));
    }
  CHECK(largest < 5e-3);
  for (std::size_t c = 0; c < n; ++c)
    CHECK_THAT(static_cast<double>(h.diagonal(c)), WithinAbs(expected[order[c]][order[c]], 1e-3));
  // Without damping it is what the outputs differ by.
  const double apart = damped_gram(exec, g, 0.0).squared_difference(exec, w.view(), v.view());
  CHECK(std::fabs(apart / output_error(x, w, x, v) - 1) < 1e-5);
  cpu::executor four(4);
  CHECK(damped_gram(four, g, 0.0).squared_difference(four, w.view(), v.view()) == apart);
  CHECK_SAYS(damped_gram(exec, g, 1.5), value_error, "damping in [0, 1] expected, got 1.5");
  CHECK_SAYS(damped_gram(exec, g, 0.1, channel_order::identity(4)), shape_error, "an order of 24");
  CHECK_SAYS(h.squared_difference(exec, w.view(), x.view()), shape_error, "got 300x24 and 60x24");
}

TEST_CASE("refine_kept: reaches the least squares solution under the mask, from any start") {
  cpu::executor exec(2);
  constexpr std::size_t n = 20, rows = 3;
  const matrix x = activations(100, n, 3), w = weights(rows, n, 4);
  const gram g = gram_of(exec, x);
  const weight_mask mask = mask_of(exec, w, {2, 4});
  const damped_gram h(exec, g, 0.01);
  matrix updated = w, zeros(rows, n);
  update_kept(exec, gram_factor(gram_of(exec, x)), mask, updated.view());
  for (matrix* start : {&updated, &zeros}) {
    refine_kept(exec, h, mask, w.view(), start->view(), 60);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::vector<double> best = exact(damped(g, 0.01), w, mask, r);
      for (std::size_t c = 0; c < n; ++c) {
        INFO(r << " " << c);
        CHECK_THAT(static_cast<double>(start->view()(r, c)), WithinAbs(best[c], 2e-3));
        if (!mask.keeps(r, c)) CHECK(start->view()(r, c) == 0.0f);
      }
    }
  }
}

TEST_CASE("refine_kept: every round errs less than the one before, the same bits for all threads") {
  cpu::executor exec(1);
  constexpr std::size_t n = 300, rows = 270;
  const matrix x = activations(600, n, 5), w = weights(rows, n, 6);
  const gram g = gram_of(exec, x);
  const damped_gram h(exec, g);
  const weight_mask mask = mask_of(exec, w, {2, 4});
  matrix start = w;
  update_kept(exec, gram_factor(gram_of(exec, x)), mask, start.view());
  double before = h.squared_difference(exec, w.view(), std::as_const(start).view());
  const double updated = before;
  for (const std::size_t rounds : {1u, 3u, 8u, 15u}) {
    matrix refined = start;
    refine_kept(exec, h, mask, w.view(), refined.view(), rounds);
    const double now = h.squared_difference(exec, w.view(), std::as_const(refined).view());
    CHECK(now < before);
    before = now;
    for (const std::size_t threads : {2u, 3u}) {
      cpu::executor others(threads);
      matrix again = start;
      refine_kept(others, damped_gram(others, g), mask, w.view(), again.view(), rounds);
      CHECK(again.data == refined.data);
    }
  }
  CHECK(before < 0.97 * updated);
  matrix wrong(rows, n - 1);
  CHECK_SAYS(refine_kept(exec, h, mask, w.view(), wrong.view()), shape_error,
             "rows of 300 channels expected, got 270x299");
  CHECK_SAYS(refine_kept(exec, h, mask, x.view(), start.view()), shape_error,
             "a target of 270x300 expected, got 600x300");
  CHECK_SAYS(refine_kept(exec, h, weight_mask({2, n}), w.view(), start.view()), shape_error,
             "a mask of 270x300 expected, got 2x300");
}

TEST_CASE("cross_gram: sums products of two activations, whatever the threads and the division") {
  cpu::executor exec(1);
  const matrix y = activations(90, 300, 7), x = activations(90, 40, 8);
  cross_gram all(300, 40);
  all.observe(exec, y.view(), x.view());
  CHECK(all.rows() == 90);
  double largest = 0;
  for (std::size_t i = 0; i < 300; i += 13)
    for (std::size_t j = 0; j < 40; ++j) {
      double sum = 0;
      for (std::size_t r = 0; r < 90; ++r)
        sum += static_cast<double>(y.view()(r, i)) * static_cast<double>(x.view()(r, j));
      largest = std::max(largest, std::fabs(sum - all(i, j)));
    }
  CHECK(largest < 1e-3);
  cpu::executor three(3);
  cross_gram again(300, 40), first(300, 40), second(300, 40);
  again.observe(three, y.view(), x.view());
  first.observe(exec, {y.data.data(), 50, 300}, {x.data.data(), 50, 40});
  second.observe(exec, {&y.data[50 * 300], 40, 300}, {&x.data[50 * 40], 40, 40});
  first.merge(second);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < 300; ++i)
    for (std::size_t j = 0; j < 40; ++j) {
      wrong += again(i, j) != all(i, j) ? 1 : 0;
      wrong += std::fabs(first(i, j) - all(i, j)) > 1e-3 ? 1 : 0;
    }
  CHECK(wrong == 0);
  CHECK(first.rows() == 90);
  CHECK_SAYS(cross_gram(0, 3), shape_error, "at least 1x1 expected, got 0x3");
  CHECK_SAYS(all.observe(exec, x.view(), x.view()), shape_error, "300 and 40 channels expected");
  CHECK_SAYS(all.merge(cross_gram(2, 2)), shape_error, "merging 300x40 with 2x2");
}

TEST_CASE("dense_target: the weight that comes nearest to the dense outputs on other inputs") {
  cpu::executor exec(2);
  constexpr std::size_t n = 31, rows = 5, tokens = 200;
  const matrix dense = activations(tokens, n, 9), w = weights(rows, n, 10);
  matrix pruned = dense;  // what pruned layers before it make of the inputs
  const matrix noise = activations(tokens, n, 11);
  for (std::size_t i = 0; i < pruned.data.size(); ++i)
    pruned.data[i] = 0.8f * pruned.data[i] + 0.2f * noise.data[i];
  cross_gram c(n, n);
  c.observe(exec, dense.view(), pruned.view());
  for (const channel_order& order : {channel_order(), shuffled(n)}) {
    const gram g = gram_of(exec, pruned);
    const gram_factor factor(gram_of(exec, pruned), 1e-6, order);
    matrix moved = w;  // in the order, then back
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < n; ++i)
        moved.view()(r, i) = w.view()(r, order.size() == 0 ? i : order[i]);
    dense_target(exec, g, c, order).move(exec, factor, moved.view());
    matrix target = w;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < n; ++i)
        target.view()(r, order.size() == 0 ? i : order[i]) = moved.view()(r, i);
    const double best = output_error(dense, w, pruned, target);
    CHECK(best < 0.9 * output_error(dense, w, pruned, w));
    // No other is better.
    for (std::size_t i = 0; i < n; ++i)
      for (const float step : {-0.01f, 0.01f}) {
        matrix other = target;
        for (std::size_t r = 0; r < rows; ++r) other.view()(r, i) += step;
        CHECK(output_error(dense, w, pruned, other) > best);
      }
    cpu::executor three(3);
    matrix again = w;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < n; ++i)
        again.view()(r, i) = w.view()(r, order.size() == 0 ? i : order[i]);
    dense_target(three, g, c, order).move(three, factor, again.view());
    CHECK(again.data == moved.data);
  }
  const gram g = gram_of(exec, pruned);
  CHECK_SAYS(dense_target(exec, g, cross_gram(2, n)), shape_error,
             "31 channels expected, got 2x31");
  matrix wrong(2, 7);
  CHECK_SAYS(dense_target(exec, g, c).move(exec, gram_factor(gram_of(exec, pruned)), wrong.view()),
             shape_error, "rows of 31 channels expected, got 7");
}
