// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What products that skip channels subtract from their inputs and add to their outputs: a table's
// centres and biases.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/model/sparse_linear.hpp"

namespace sparsellm_ggml {

class offsets {
 public:
  offsets() = default;
  // centre [inputs], bias [outputs] with the weight's product of the centre in it; empty: 0.
  offsets(std::vector<float> centre, std::vector<float> bias)
      : centre_(std::move(centre)), bias_(std::move(bias)) {}

  // x - centre; valid until the thread's next call.
  [[nodiscard]] sparsellm::matrix_view<const float> away(
      sparsellm::matrix_view<const float> x) const {
    if (centre_.empty()) return x;
    thread_local std::vector<float> rows;
    if (rows.size() < x.rows() * x.cols()) rows.resize(x.rows() * x.cols());
    for (std::size_t t = 0; t < x.rows(); ++t)
      for (std::size_t c = 0; c < x.cols(); ++c) rows[t * x.cols() + c] = x(t, c) - centre_[c];
    return {rows.data(), x.rows(), x.cols()};
  }

  // y's columns are the weight's outputs from `first` on.
  void add_to(sparsellm::matrix_view<float> y, std::size_t first = 0) const {
    if (bias_.empty()) return;
    for (std::size_t t = 0; t < y.rows(); ++t)
      for (std::size_t o = 0; o < y.cols(); ++o) y(t, o) += bias_[first + o];
  }

 private:
  std::vector<float> centre_, bias_;
};

// Of a table's entries for the tensors that are stacked in a matrix, top to bottom; null where the
// table has none, as for experts, which are a matrix each. Throws format_error when their centres
// differ, value_error for centres of several matrices.
[[nodiscard]] offsets make_offsets(const std::vector<sparsellm::sparse_linear>& matrices,
                                   const std::vector<const sparsellm::site_threshold*>& entries);

}  // namespace sparsellm_ggml
