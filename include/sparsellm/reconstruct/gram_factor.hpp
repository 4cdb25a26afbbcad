// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the optimal-brain-surgeon step needs of a Gram matrix: one Cholesky factorisation for all
// rows of a weight and all masks. It is Eigen's (3.4, MPL-2.0).
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cstddef>
#include <utility>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/reconstruct/gram.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// U [channels, channels], upper triangular, with H⁻¹ = Uᵀ U for H = XᵀX + damping · mean(diagonal)
// (SparseGPT, arXiv 2301.00774, section 3.3). Row j of U / U_jj is what removing weight j, after
// all before it, changes in those behind it.
class gram_factor {
 public:
  // Channels stand in `order`; of size 0, as they are. Takes the Gram matrix, whose memory it gives
  // back: 4 · channels² bytes stay, and twice that are in use on the way. Channels that were
  // always 0 are dead: what reads them may be anything. The same bits on every machine of an
  // architecture. Throws value_error for damping outside (0, 1] or a matrix that is not positive
  // definite even so, shape_error for another order.
  explicit gram_factor(gram g, double damping = 0.01, const channel_order& order = {})
      : channels_(g.channels()) {
    require<value_error>(damping > 0.0 && damping <= 1.0,
                         "gram_factor: a damping in (0, 1] expected, got ", damping);
    require<shape_error>(order.size() == 0 || order.size() == channels_,
                         "gram_factor: an order of ", channels_, " channels expected, got ",
                         order.size());
    // Two statements: the Gram matrix is gone before the inverse is made.
    matrix lower = decompose(std::move(g), damping, order);
    invert(lower);
  }

  [[nodiscard]] std::size_t channels() const noexcept { return channels_; }
  // U_jj, and U_jk for k > j. [channels − j − 1] elements of row j follow its diagonal.
  [[nodiscard]] float operator()(std::size_t j, std::size_t k) const noexcept {
    return inverse_(at(j), at(k));
  }
  // Whether no row had anything else than 0 in the channel at this place.
  [[nodiscard]] bool is_dead(std::size_t place) const noexcept { return dead_[place]; }

 private:
  using matrix = Eigen::MatrixXf;

  // Everything is kept backwards: H⁻¹ = UᵀU for an upper U is H = R Rᵀ for R = U⁻¹, a Cholesky
  // factorisation from the last channel to the first.
  [[nodiscard]] Eigen::Index at(std::size_t place) const noexcept {
    return static_cast<Eigen::Index>(channels_ - 1 - place);
  }

  [[nodiscard]] matrix decompose(gram g, double damping, const channel_order& order) {
    const auto channel = [&](std::size_t place) {
      return order.size() == 0 ? place : static_cast<std::size_t>(order[place]);
    };
    double mean = 0;
    for (std::size_t c = 0; c < channels_; ++c) {
      require<value_error>(is_finite(static_cast<float>(g(c, c))), "gram_factor: channel ", c,
                           " had a value that is not finite");
      mean += g(c, c);
    }
    mean /= static_cast<double>(channels_);
    dead_.resize(channels_);
    const auto n = static_cast<Eigen::Index>(channels_);
    matrix h(n, n);
    for (std::size_t j = 0; j < channels_; ++j) {
      dead_[j] = g(channel(j), channel(j)) == 0.0;
      for (std::size_t i = 0; i <= j; ++i) {
        double v = g(channel(i), channel(j));
        if (i == j) v = dead_[j] && mean == 0.0 ? 1.0 : v + damping * mean;
        h(at(i), at(j)) = static_cast<float>(v);
      }
    }
    const Eigen::LLT<Eigen::Ref<matrix>> factored(h);
    require<value_error>(factored.info() == Eigen::Success, "gram_factor: the matrix of ",
                         channels_, " channels is not positive definite; more damping than ",
                         damping, " expected");
    return h;
  }

  void invert(const matrix& lower) {
    inverse_ = matrix::Identity(lower.rows(), lower.cols());
    lower.triangularView<Eigen::Lower>().solveInPlace(inverse_);
  }

  std::size_t channels_;
  std::vector<bool> dead_;
  matrix inverse_;  // of R, backwards
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
