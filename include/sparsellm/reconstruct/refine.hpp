// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The best weights under a mask. The optimal-brain-surgeon step goes through the channels once and
// moves only what stands behind; a few rounds of conjugate gradients from there reach the least
// squares solution of every row (the second step of ALPS, arXiv 2406.07831, section 3.2).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/reconstruct/damped_gram.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Conjugate gradients, preconditioned with the diagonal, for some rows of a weight at once. Each
// row is a problem of its own: they share only the products.
class masked_least_squares {
 public:
  masked_least_squares(const damped_gram& h, std::size_t rows)
      : h_(h), memory_(3 * rows * h.channels()), slope_(rows), rows_(rows) {}

  // Changes rows [first, first + count) of w.
  template <class E>
  void solve(E& exec, const weight_mask& mask, std::size_t first, matrix_view<const float> target,
             matrix_view<float> w, std::size_t rounds) {
    const std::size_t count = w.rows();
    const matrix_view<float> residual = part(0, count), direction = part(1, count),
                             h_direction = part(2, count);
    exec.parallel_for(count, [&](std::size_t r) {
      for (std::size_t c = 0; c < w.cols(); ++c) direction(r, c) = target(r, c) - w(r, c);
    });
    h_.times(exec, matrix_view<const float>(direction), residual);
    exec.parallel_for(count, [&](std::size_t r) {
      begin(mask, first + r, residual.row(r), direction.row(r), slope_[r]);
    });
    for (std::size_t round = 0; round < rounds; ++round) {
      h_.times(exec, matrix_view<const float>(direction), h_direction);
      exec.parallel_for(count, [&](std::size_t r) {
        step(mask, first + r, h_direction.row(r), residual.row(r), direction.row(r), w.row(r),
             slope_[r]);
      });
    }
  }

 private:
  [[nodiscard]] matrix_view<float> part(std::size_t which, std::size_t count) noexcept {
    return {memory_.data() + which * rows_ * h_.channels(), count, h_.channels()};
  }

  // residual: the negative gradient, of which only kept weights count; slope: residual · direction.
  void begin(const weight_mask& mask, std::size_t r, vector_view<float> residual,
             vector_view<float> direction, double& slope) const {
    slope = 0;
    for (std::size_t c = 0; c < residual.size(); ++c) {
      if (!mask.keeps(r, c)) residual[c] = 0.0f;
      direction[c] = residual[c] / h_.diagonal(c);
      slope += static_cast<double>(residual[c]) * static_cast<double>(direction[c]);
    }
  }

  void step(const weight_mask& mask, std::size_t r, vector_view<const float> h_direction,
            vector_view<float> residual, vector_view<float> direction, vector_view<float> w,
            double& slope) const {
    double curvature = 0;
    for (std::size_t c = 0; c < w.size(); ++c)
      curvature += static_cast<double>(direction[c]) * static_cast<double>(h_direction[c]);
    if (!(curvature > 0.0) || !(slope > 0.0)) return;  // the solution is reached
    const auto alpha = static_cast<float>(slope / curvature);
    double next = 0;
    for (std::size_t c = 0; c < w.size(); ++c) {
      if (!mask.keeps(r, c)) continue;
      w[c] += alpha * direction[c];
      residual[c] -= alpha * h_direction[c];
      next += static_cast<double>(residual[c]) * static_cast<double>(residual[c] / h_.diagonal(c));
    }
    const auto beta = static_cast<float>(next / slope);
    for (std::size_t c = 0; c < w.size(); ++c)
      if (mask.keeps(r, c)) direction[c] = residual[c] / h_.diagonal(c) + beta * direction[c];
    slope = next;
  }

  const damped_gram& h_;
  buffer<float> memory_;
  std::vector<double> slope_;
  std::size_t rows_;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// W [rows, channels], of which the mask's weights are changed so that (W − target) H (W − target)ᵀ
// falls for every row; what the mask leaves out stays 0 and is made 0. Any start will do, a good
// one needs fewer rounds. The same bits for every number of threads. Waits; allocates 3 KiB a
// channel. Throws shape_error for sizes that do not fit.
template <host_executor E>
void refine_kept(E& exec, const damped_gram& h, const weight_mask& mask,
                 matrix_view<const float> target, matrix_view<float> w, std::size_t rounds = 15) {
  require<shape_error>(w.rows() != 0 && w.cols() == h.channels(), "refine_kept: rows of ",
                       h.channels(), " channels expected, got ", w.rows(), "x", w.cols());
  require<shape_error>(target.rows() == w.rows() && target.cols() == w.cols(),
                       "refine_kept: a target of ", w.rows(), "x", w.cols(), " expected, got ",
                       target.rows(), "x", target.cols());
  require<shape_error>(mask.shape() == extents{w.rows(), w.cols()}, "refine_kept: a mask of ",
                       w.rows(), "x", w.cols(), " expected, got ", mask.shape().outputs, "x",
                       mask.shape().inputs);
  exec.parallel_for(w.rows(), [&](std::size_t r) {
    for (std::size_t c = 0; c < w.cols(); ++c)
      if (!mask.keeps(r, c)) w(r, c) = 0.0f;
  });
  constexpr std::size_t rows_at_once = 256;
  detail::masked_least_squares rows(h, std::min(rows_at_once, w.rows()));
  for (std::size_t first = 0; first < w.rows(); first += rows_at_once) {
    const std::size_t count = std::min(rows_at_once, w.rows() - first);
    rows.solve(exec, mask, first, {&target(first, 0), count, w.cols(), target.stride()},
               {&w(first, 0), count, w.cols(), w.stride()}, rounds);
  }
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
