// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Activations, weights and masks that the tests of reconstruction share.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/reconstruct/gram.hpp"

struct matrix {
  matrix(std::size_t r, std::size_t c) : rows(r), cols(c), data(r * c) {}
  [[nodiscard]] sparsellm::matrix_view<float> view() { return {data.data(), rows, cols}; }
  [[nodiscard]] sparsellm::matrix_view<const float> view() const {
    return {data.data(), rows, cols};
  }
  std::size_t rows, cols;
  std::vector<float> data;
};

// Rows whose neighbouring channels are much alike.
inline matrix activations(std::size_t rows, std::size_t channels, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  matrix x(rows, channels);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < channels; ++c)
      x.view()(r, c) = normal(random) + (c == 0 ? 0.0f : 0.8f * x.view()(r, c - 1));
  return x;
}

inline matrix weights(std::size_t rows, std::size_t channels, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  matrix w(rows, channels);
  for (float& v : w.data) v = normal(random);
  return w;
}

inline sparsellm::gram gram_of(sparsellm::cpu::executor& exec, const matrix& x) {
  sparsellm::gram g(x.cols);
  g.observe(exec, x.view());
  return g;
}

inline sparsellm::weight_mask mask_of(sparsellm::cpu::executor& exec, const matrix& w,
                                      sparsellm::nm_pattern p) {
  matrix scores(w.rows, w.cols);
  for (std::size_t i = 0; i < w.data.size(); ++i) scores.data[i] = std::fabs(w.data[i]);
  return sparsellm::best_of_groups(exec, p, std::as_const(scores).view());
}

// ‖y − X vᵀ‖² for y = X' wᵀ, summed over rows.
inline double output_error(const matrix& of_w, const matrix& w, const matrix& of_v,
                           const matrix& v) {
  double sum = 0;
  for (std::size_t t = 0; t < of_w.rows; ++t)
    for (std::size_t r = 0; r < w.rows; ++r) {
      double y = 0;
      for (std::size_t c = 0; c < of_w.cols; ++c)
        y += static_cast<double>(of_w.view()(t, c)) * static_cast<double>(w.view()(r, c)) -
             static_cast<double>(of_v.view()(t, c)) * static_cast<double>(v.view()(r, c));
      sum += y * y;
    }
  return sum;
}

using square = std::vector<std::vector<double>>;

// By Gauss and Jordan; positive definite matrices need no other pivots.
inline square inverse(square a) {
  const std::size_t n = a.size();
  square b(n, std::vector<double>(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) b[i][i] = 1;
  for (std::size_t p = 0; p < n; ++p) {
    const double d = a[p][p];
    for (std::size_t j = 0; j < n; ++j) a[p][j] /= d, b[p][j] /= d;
    for (std::size_t i = 0; i < n; ++i) {
      if (i == p) continue;
      const double f = a[i][p];
      for (std::size_t j = 0; j < n; ++j) a[i][j] -= f * a[p][j], b[i][j] -= f * b[p][j];
    }
  }
  return b;
}

inline square damped(const sparsellm::gram& g, double damping) {
  const std::size_t n = g.channels();
  double mean = 0;
  for (std::size_t i = 0; i < n; ++i) mean += g(i, i) / static_cast<double>(n);
  square h(n, std::vector<double>(n));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) h[i][j] = g(i, j) + (i == j ? damping * mean : 0.0);
  return h;
}
