// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/permute/block_shuffle.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/permute/global_shuffle.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/retained.hpp"

using namespace sparsellm;

namespace {

struct weight {
  weight(std::size_t rows_, std::size_t cols_, unsigned seed)
      : rows(rows_), cols(cols_), scores(rows_ * cols_) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> scale(cols);
    for (float& s : scale) s = std::exp(normal(random));
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] = std::fabs(normal(random)) * scale[i % cols];
  }
  [[nodiscard]] matrix_view<const float> view() const { return {scores.data(), rows, cols}; }
  [[nodiscard]] double retained(cpu::executor& exec, nm_pattern p, const channel_order& o) const {
    std::vector<float> in_order(scores.size());
    for (std::size_t r = 0; r < rows; ++r)
      o.gather(view().row(r), vector_view<float>(in_order.data() + r * cols, cols));
    const matrix_view<const float> ordered(in_order.data(), rows, cols);
    return retained_score(exec, ordered, best_of_groups(exec, p, ordered));
  }
  std::size_t rows, cols;
  std::vector<float> scores;
};

}  // namespace

TEST_CASE("channel_order: a permutation, its inverse and what follows it") {
  const channel_order o({2, 0, 1});
  CHECK(o.inverse() == channel_order({1, 2, 0}));
  CHECK(o.then(o.inverse()).is_identity());
  CHECK(channel_order::identity(3).then(o) == o);
  const std::vector<int> in{10, 11, 12};
  std::vector<int> out(3);
  o.gather(vector_view<const int>(in), vector_view<int>(out));
  CHECK(out == std::vector<int>{12, 10, 11});
  CHECK_SAYS(channel_order({0, 0}), value_error, "place 1 holds channel 0");
  CHECK_SAYS(channel_order({0, 2}), value_error, "place 1 holds channel 2");
  CHECK_SAYS(o.then(channel_order::identity(2)), shape_error, "3 channels, then 2");
}

TEST_CASE("global shuffle: deals channels of like score to different groups") {
  const std::vector<double> mean{8, 7, 6, 5, 4, 3, 2, 1};
  CHECK(global_shuffle(mean, 4) == channel_order({0, 2, 4, 6, 1, 3, 5, 7}));
  CHECK(global_shuffle(mean, 4, dealing::zigzag) == channel_order({0, 3, 4, 7, 1, 2, 5, 6}));
  const std::vector<double> seven(7, 1.0);  // a short last group, all equal
  CHECK(global_shuffle(seven, 4) == channel_order({0, 2, 4, 6, 1, 3, 5}));
  // Equal ones keep their order, more of them too than are sorted by insertion, and 0 equals -0.
  std::vector<double> two(100);
  std::vector<std::uint32_t> order(100);
  for (std::uint32_t c = 0; c < 100; ++c) {
    two[c] = c % 2 != 0 ? 1.0 : c % 4 != 0 ? 0.0 : -0.0;
    order[c] = c < 50 ? 2 * c + 1 : 2 * (c - 50);
  }
  CHECK(global_shuffle(two, 1) == channel_order(order));
  CHECK_SAYS(global_shuffle(mean, 0), value_error, "got 0");
  CHECK_SAYS(global_shuffle(std::vector<double>{1, std::nan("")}, 2), value_error,
             "channel 1 is NaN");
}

TEST_CASE("block shuffle: never keeps less, for every kind of pattern and remainder") {
  cpu::executor exec(2);
  for (const nm_pattern p :
       {nm_pattern{2, 4}, {4, 8}, {1, 4}, {1, 2}, {3, 5}, {6, 8}, {16, 32}, {2, 3}})
    for (const std::size_t cols : {std::size_t{5}, std::size_t{64}, std::size_t{131}}) {
      const weight w(37, cols, static_cast<unsigned>(cols + p.m));
      const channel_order plain = channel_order::identity(cols);
      block_shuffle_options how;
      how.block = 64;
      const channel_order local = block_shuffle(exec, p, w.view(), plain, how);
      INFO(p.n << ":" << p.m << " " << cols);
      CHECK(w.retained(exec, p, local) >= w.retained(exec, p, plain));
      const channel_order both =
          block_shuffle(exec, p, w.view(), global_shuffle(mean_scores(w.view()), p.m), how);
      CHECK(w.retained(exec, p, both) <=
            retained_without_groups(exec, p, w.view()) * (1 + 1e-12) + 1e-9);
      // Blocks keep their channels.
      for (std::size_t first = 0; first < cols; first += how.block / p.m * p.m) {
        const std::size_t last = std::min(cols, first + how.block / p.m * p.m);
        for (std::size_t i = first; i < last; ++i) CHECK((local[i] >= first && local[i] < last));
      }
    }
}

TEST_CASE("block shuffle: ends where no exchange of two channels gains anything") {
  cpu::executor exec(2);
  const nm_pattern p{2, 4};
  const weight w(21, 24, 5);
  const channel_order found = block_shuffle(exec, p, w.view(), channel_order::identity(24));
  const double best = w.retained(exec, p, found);
  for (std::size_t i = 0; i < 24; ++i)
    for (std::size_t j = i + 1; j < 24; ++j) {
      std::vector<std::uint32_t> at = found.channels();
      std::swap(at[i], at[j]);
      CHECK(w.retained(exec, p, channel_order(at)) <= best * (1 + 2e-9));
    }
}

TEST_CASE("block shuffle: the same order for every number of threads") {
  const weight w(100, 200, 9);
  const channel_order start = channel_order::identity(200);
  cpu::executor one(1);
  const channel_order expected = block_shuffle(one, {2, 4}, w.view(), start);
  for (const std::size_t threads : {2, 3, 7}) {
    cpu::executor exec(threads);
    CHECK(block_shuffle(exec, {2, 4}, w.view(), start) == expected);
  }
}

TEST_CASE("block shuffle: is told how far it is, and stopped with what was found or with nothing") {
  cpu::executor exec(2);
  const weight w(50, 128, 11);
  const channel_order start = channel_order::identity(128);
  const auto never = [](double) { return false; };
  CHECK(block_shuffle(exec, {2, 4}, w.view(), start, {}, never) == start);
  std::vector<double> shares;
  const channel_order whole = block_shuffle(exec, {2, 4}, w.view(), start, {}, [&](double share) {
    shares.push_back(share);
    return true;
  });
  CHECK(std::is_sorted(shares.begin(), shares.end()));
  CHECK(shares.back() == 1.0);
  std::size_t rounds = 0;
  const channel_order begun = block_shuffle(exec, {2, 4}, w.view(), start, {},
                                            [&](double) { return ++rounds <= shares.size() / 2; });
  CHECK(rounds == shares.size() / 2 + 1);
  CHECK(w.retained(exec, {2, 4}, begun) > w.retained(exec, {2, 4}, start));
  CHECK(w.retained(exec, {2, 4}, begun) < w.retained(exec, {2, 4}, whole));
  const auto fails = [](double) -> bool { throw std::runtime_error("enough"); };
  CHECK_THROWS_AS(block_shuffle(exec, {2, 4}, w.view(), start, {}, fails), std::runtime_error);
}

TEST_CASE("block shuffle: says what is wrong") {
  cpu::executor exec(1);
  const weight w(2, 8, 1);
  block_shuffle_options how;
  how.block = 3;
  CHECK_SAYS(block_shuffle(exec, {2, 4}, w.view(), channel_order::identity(8), how), value_error,
             "blocks of at least 4 channels expected, got 3");
  CHECK_SAYS(block_shuffle(exec, {2, 4}, w.view(), channel_order::identity(7)), shape_error,
             "an order of 8 channels expected, got 7");
  CHECK_SAYS(block_shuffle(exec, {4, 4}, w.view(), channel_order::identity(8)), value_error, "N:M");
}
