// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// YᵀX of two activations of the same tokens, summed as they come: with the Gram matrix of X what a
// linear layer on X needs to come near Y.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Sums [outputs, inputs] of products of two activations; double, 8 bytes each.
class cross_gram {
 public:
  // Allocates. Throws shape_error for no channels.
  cross_gram(std::size_t outputs, std::size_t inputs) : outputs_(outputs), inputs_(inputs) {
    require<shape_error>(outputs != 0 && inputs != 0, "cross_gram: at least 1x1 expected, got ",
                         outputs, "x", inputs);
    sums_ = buffer<double>(outputs * inputs, 0.0);
  }

  // Adds the rows y [rows, outputs] and x [rows, inputs] of the same tokens, whose products are
  // summed in float. The same bits for every number of threads. Waits; allocates 8 bytes for each
  // of their elements and 1 KiB an input. Throws shape_error for other sizes.
  template <host_executor E>
  void observe(E& exec, matrix_view<const float> y, matrix_view<const float> x) {
    require<shape_error>(y.cols() == outputs_ && x.cols() == inputs_ && x.rows() == y.rows(),
                         "cross_gram: rows of ", outputs_, " and ", inputs_,
                         " channels expected, got ", y.rows(), "x", y.cols(), " and ", x.rows(),
                         "x", x.cols());
    if (x.rows() == 0) return;
    const auto weight =
        pack<panel<float>>(exec, extents{inputs_, x.rows()}, [&](std::size_t c, auto row) {
          for (std::size_t r = 0; r < row.size(); ++r) row[r] = x(r, c);
        });
    constexpr std::size_t outputs_at_once = 256;
    buffer<float> columns(outputs_at_once * x.rows()), products(outputs_at_once * inputs_);
    for (std::size_t first = 0; first < outputs_; first += outputs_at_once) {
      const std::size_t count =
          outputs_ - first < outputs_at_once ? outputs_ - first : outputs_at_once;
      const matrix_view<float> of_y(columns.data(), count, x.rows()),
          sums(products.data(), count, inputs_);
      exec.parallel_for(count, [&](std::size_t i) {
        for (std::size_t r = 0; r < x.rows(); ++r) of_y(i, r) = y(r, first + i);
      });
      multiply(exec, weight, matrix_view<const float>(of_y), sums);
      exec.parallel_for(count, [&](std::size_t i) {
        for (std::size_t j = 0; j < inputs_; ++j)
          sums_[(first + i) * inputs_ + j] += static_cast<double>(sums(i, j));
      });
    }
    rows_ += x.rows();
  }

  // As if the other's rows had been observed here. Throws shape_error for other sizes.
  void merge(const cross_gram& other) {
    require<shape_error>(other.outputs_ == outputs_ && other.inputs_ == inputs_,
                         "cross_gram: merging ", outputs_, "x", inputs_, " with ", other.outputs_,
                         "x", other.inputs_);
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
    rows_ += other.rows_;
  }

  [[nodiscard]] std::size_t outputs() const noexcept { return outputs_; }
  [[nodiscard]] std::size_t inputs() const noexcept { return inputs_; }
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  // The sum over rows of y_i · x_j.
  [[nodiscard]] double operator()(std::size_t i, std::size_t j) const noexcept {
    return sums_[i * inputs_ + j];
  }

 private:
  std::size_t outputs_, inputs_;
  buffer<double> sums_;
  std::uint64_t rows_ = 0;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
