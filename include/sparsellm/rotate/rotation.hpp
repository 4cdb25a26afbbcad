// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Another basis for a model's residual stream. RMSNorm without gains commutes with every orthogonal
// matrix Q, so embeddings E Q, readers W Q, writers Qᵀ W and a head W Q are the same model
// (SliceGPT, arXiv 2401.15024, section 3), in which other channels are small.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Q [channels, channels], orthogonal, whose column j is axis j. Results are floats, and the same
// bits for every number of threads.
class rotation {
 public:
  // axes [channels, channels]: row j is axis j. Allocates 4 · channels² bytes. Throws shape_error
  // for no channels or a matrix that is not square, value_error for axes whose products among each
  // other are off by 1e-3 or more.
  template <host_executor E>
  rotation(E& exec, matrix_view<const float> axes)
      : packed_(pack<panel<float>>(exec, checked_square(axes))) {
    buffer<float> products(rows_at_once * channels());
    for (std::size_t first = 0; first < channels(); first += rows_at_once) {
      const std::size_t rows = std::min(rows_at_once, channels() - first);
      const matrix_view<float> y(products.data(), rows, channels());
      turn(exec, {&axes(first, 0), rows, axes.cols(), axes.stride()}, y);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < channels(); ++c)
          require<value_error>(std::fabs(y(r, c) - (first + r == c ? 1.0f : 0.0f)) < 1e-3f,
                               "rotation: orthogonal axes of length 1 expected, got ", y(r, c),
                               " as the product of axes ", first + r, " and ", c);
    }
  }

  [[nodiscard]] std::size_t channels() const noexcept { return packed_.shape().inputs; }

  // y [rows, channels] = x Q: along the axes, what rows of activations or embeddings are, and the
  // rows of a weight that reads them. y may not overlap x. Throws shape_error for other sizes.
  template <host_executor E>
  void turn(E& exec, matrix_view<const float> x, matrix_view<float> y) const {
    multiply(exec, packed_, x, y);
  }

  // w [channels, inputs] = Qᵀ w, in place: a weight whose outputs are added to the residual stream.
  // Allocates 8 bytes for 256 columns of it. Throws shape_error for another number of rows.
  template <host_executor E>
  void turn_outputs(E& exec, matrix_view<float> w) const {
    require<shape_error>(w.rows() == channels(), "rotation: a weight of ", channels(),
                         " outputs expected, got ", w.rows());
    const std::size_t most = std::min(rows_at_once, w.cols());
    buffer<float> columns(most * channels()), turned(most * channels());
    for (std::size_t first = 0; first < w.cols(); first += most) {
      const std::size_t count = std::min(most, w.cols() - first);
      const matrix_view<float> x(columns.data(), count, channels()),
          y(turned.data(), count, channels());
      exec.parallel_for(count, [&](std::size_t c) {
        for (std::size_t r = 0; r < channels(); ++r) x(c, r) = w(r, first + c);
      });
      turn(exec, matrix_view<const float>(x), y);
      exec.parallel_for(channels(), [&](std::size_t r) {
        for (std::size_t c = 0; c < count; ++c) w(r, first + c) = y(c, r);
      });
    }
  }

 private:
  static constexpr std::size_t rows_at_once = 256;

  [[nodiscard]] static matrix_view<const float> checked_square(matrix_view<const float> axes) {
    require<shape_error>(axes.rows() != 0 && axes.rows() == axes.cols(),
                         "rotation: a square matrix expected, got ", axes.rows(), "x", axes.cols());
    return axes;
  }

  packed_matrix<panel<float>> packed_;  // Qᵀ
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
