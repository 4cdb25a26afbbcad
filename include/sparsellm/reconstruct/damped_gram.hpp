// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A Gram matrix as products take it: what a change of weights costs the output, and its gradient.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/reconstruct/gram.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// H [channels, channels] = XᵀX + damping · mean(diagonal), of floats.
class damped_gram {
 public:
  // Channels stand in `order`; of size 0, as they are. Allocates 4 · channels² bytes. Throws
  // value_error for damping outside [0, 1], shape_error for another order.
  template <host_executor E>
  damped_gram(E& exec, const gram& g, double damping = 0.01, const channel_order& order = {})
      : diagonal_(damped_diagonal(g, damping, order)),
        packed_(pack<panel<float>>(
            exec, extents{g.channels(), g.channels()}, [&](std::size_t i, vector_view<float> row) {
              for (std::size_t j = 0; j < row.size(); ++j)
                row[j] = i == j ? diagonal_[i]
                                : static_cast<float>(g(placed(order, i), placed(order, j)));
            })) {}

  [[nodiscard]] std::size_t channels() const noexcept { return diagonal_.size(); }
  [[nodiscard]] float diagonal(std::size_t place) const noexcept { return diagonal_[place]; }

  // y [rows, channels] = w [rows, channels] · H. Throws shape_error for other sizes.
  template <host_executor E>
  void times(E& exec, matrix_view<const float> w, matrix_view<float> y) const {
    multiply(exec, packed_, w, y);
  }

  // The sum over rows of (w − v) H (w − v)ᵀ for w, v [rows, channels]: the square of what their
  // outputs differ by, over all rows of X, and the damping. The same for every number of threads.
  // Throws shape_error for other sizes.
  template <host_executor E>
  [[nodiscard]] double squared_difference(E& exec, matrix_view<const float> w,
                                          matrix_view<const float> v) const {
    require<shape_error>(w.cols() == channels() && v.cols() == channels() && w.rows() == v.rows(),
                         "damped_gram: rows of ", channels(), " channels expected, got ", w.rows(),
                         "x", w.cols(), " and ", v.rows(), "x", v.cols());
    constexpr std::size_t rows_at_once = 256;
    const std::size_t most = std::min(rows_at_once, w.rows());
    buffer<float> differences(most * channels()), products(most * channels());
    std::vector<double> sums(most);
    double sum = 0;
    for (std::size_t first = 0; first < w.rows(); first += most) {
      const std::size_t rows = std::min(most, w.rows() - first);
      const matrix_view<float> d(differences.data(), rows, channels()),
          y(products.data(), rows, channels());
      exec.parallel_for(rows, [&](std::size_t r) {
        for (std::size_t c = 0; c < channels(); ++c) d(r, c) = w(first + r, c) - v(first + r, c);
      });
      times(exec, matrix_view<const float>(d), y);
      exec.parallel_for(rows, [&](std::size_t r) {
        sums[r] = 0;
        for (std::size_t c = 0; c < channels(); ++c)
          sums[r] += static_cast<double>(d(r, c)) * static_cast<double>(y(r, c));
      });
      for (std::size_t r = 0; r < rows; ++r) sum += sums[r];
    }
    return sum;
  }

 private:
  [[nodiscard]] static std::size_t placed(const channel_order& order, std::size_t place) {
    return order.size() == 0 ? place : static_cast<std::size_t>(order[place]);
  }
  [[nodiscard]] static std::vector<float> damped_diagonal(const gram& g, double damping,
                                                          const channel_order& order) {
    require<value_error>(damping >= 0.0 && damping <= 1.0,
                         "damped_gram: a damping in [0, 1] expected, got ", damping);
    require<shape_error>(order.size() == 0 || order.size() == g.channels(),
                         "damped_gram: an order of ", g.channels(), " channels expected, got ",
                         order.size());
    double mean = 0;
    for (std::size_t c = 0; c < g.channels(); ++c) mean += g(c, c);
    mean /= static_cast<double>(g.channels());
    // A matrix of zeros has no scale: any positive diagonal makes it definite.
    const double added = mean == 0.0 ? 1.0 : damping * mean;
    std::vector<float> diagonal(g.channels());
    for (std::size_t i = 0; i < diagonal.size(); ++i)
      diagonal[i] = static_cast<float>(g(placed(order, i), placed(order, i)) + added);
    return diagonal;
  }

  std::vector<float> diagonal_;
  packed_matrix<panel<float>> packed_;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
