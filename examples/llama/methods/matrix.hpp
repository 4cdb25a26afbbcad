// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A weight [rows, cols] as pruning works on it, its saliencies, or anything of that shape.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "model/model.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/permute/channel_order.hpp"

namespace llama {

struct matrix {
  matrix() = default;
  matrix(std::size_t rows_, std::size_t cols_) : rows(rows_), cols(cols_), data(rows_ * cols_) {}
  [[nodiscard]] sparsellm::matrix_view<float> view() { return {data.data(), rows, cols}; }
  [[nodiscard]] sparsellm::matrix_view<const float> view() const {
    return {data.data(), rows, cols};
  }
  std::size_t rows = 0, cols = 0;
  sparsellm::buffer<float> data;
};

// A projection's dense weight.
[[nodiscard]] inline matrix read_weight(sparsellm::cpu::executor& exec, const model& m,
                                        std::size_t layer, projection p) {
  const sparsellm::extents e = m.extents_of(p);
  matrix w(e.outputs, e.inputs);
  exec.parallel_for(e.outputs, [&](std::size_t r) { m.read_row(layer, p, r, w.view().row(r)); });
  return w;
}

// Matrices of the same columns, one below the other.
[[nodiscard]] inline matrix stacked(const std::vector<matrix>& matrices) {
  std::size_t height = 0;
  for (const matrix& p : matrices) height += p.rows;
  matrix all(height, matrices.front().cols);
  float* to = all.data.data();
  for (const matrix& p : matrices) to = std::copy(p.data.begin(), p.data.end(), to);
  return all;
}

[[nodiscard]] inline matrix in_order(sparsellm::cpu::executor& exec, const matrix& m,
                                     const sparsellm::channel_order& order) {
  matrix out(m.rows, m.cols);
  exec.parallel_for(m.rows, [&](std::size_t r) {
    order.gather(m.view().row(r), sparsellm::vector_view<float>(out.view().row(r)));
  });
  return out;
}

}  // namespace llama
