// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// XᵀX of a projection's inputs, summed as they come: what changing one weight of a row does to the
// others. It takes 4 · channels² bytes: 485 MB for 11,008 channels.
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
#include "sparsellm/observe/observer.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/pack/panel.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The Gram matrix of activations. Models observer. Sums are double; only the triangle on and above
// the diagonal is kept.
class gram {
 public:
  // Allocates. Throws shape_error for no channels.
  explicit gram(std::size_t channels) : channels_(channels) {
    require<shape_error>(channels != 0, "gram: at least 1 channel expected, got 0");
    sums_ = buffer<double>(channels * (channels + 1) / 2, 0.0);
  }

  // Adds one row x [channels]. Throws shape_error for another length. Allocates nothing.
  void observe(vector_view<const float> row) {
    check_width(row.size());
    for (std::size_t i = 0; i < channels_; ++i) {
      if (row[i] == 0.0f) continue;
      double* const of_row = &sums_[place(i, i)];
      for (std::size_t j = i; j < channels_; ++j)
        of_row[j - i] += static_cast<double>(row[i]) * static_cast<double>(row[j]);
    }
    ++rows_;
  }

  // Adds rows x [rows, channels] at once, by the executor's products: the products of up to 512
  // rows are summed in float. The same bits for every number of threads. Waits; allocates 8 bytes
  // per element of those rows and 1 MiB. Throws shape_error for another width.
  template <host_executor E>
  void observe(E& exec, matrix_view<const float> x) {
    check_width(x.cols());
    for (std::size_t first = 0; first < x.rows(); first += rows_at_once)
      add(exec, {&x(first, 0), std::min(rows_at_once, x.rows() - first), x.cols(), x.stride()});
    rows_ += x.rows();
  }

  // As if the other's rows had been observed here. Throws shape_error for another number of
  // channels.
  void merge(const gram& other) {
    require<shape_error>(other.channels_ == channels_, "gram: merging ", channels_,
                         " channels with ", other.channels_);
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
    rows_ += other.rows_;
  }

  [[nodiscard]] std::size_t channels() const noexcept { return channels_; }
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  // The sum over rows of x_i · x_j.
  [[nodiscard]] double operator()(std::size_t i, std::size_t j) const noexcept {
    return i <= j ? sums_[place(i, j)] : sums_[place(j, i)];
  }

 private:
  static constexpr std::size_t rows_at_once = 512, channels_at_once = 512;

  [[nodiscard]] std::size_t place(std::size_t i, std::size_t j) const noexcept {
    return i * channels_ - i * (i + 1) / 2 + j;
  }
  void check_width(std::size_t width) const {
    require<shape_error>(width == channels_, "gram: rows of ", channels_,
                         " channels expected, got ", width);
  }

  // Blocks of channels are weights and tokens in turn: Y [a, b] = X_aᵀ · X_b.
  template <class E>
  void add(E& exec, matrix_view<const float> x) {
    buffer<float> columns(channels_ * x.rows());  // Xᵀ
    exec.parallel_for(channels_, [&](std::size_t c) {
      for (std::size_t r = 0; r < x.rows(); ++r) columns[c * x.rows() + r] = x(r, c);
    });
    buffer<float> products(channels_at_once * channels_at_once);
    for (std::size_t b = 0; b < channels_; b += channels_at_once) {
      const std::size_t width = std::min(channels_at_once, channels_ - b);
      const auto weight = pack<panel<float>>(
          exec, matrix_view<const float>(&columns[b * x.rows()], width, x.rows()));
      for (std::size_t a = 0; a <= b; a += channels_at_once) {
        const std::size_t height = std::min(channels_at_once, channels_ - a);
        const matrix_view<float> y(products.data(), height, width);
        multiply(exec, weight, matrix_view<const float>(&columns[a * x.rows()], height, x.rows()),
                 y);
        exec.parallel_for(height, [&](std::size_t i) {
          for (std::size_t j = a == b ? i : 0; j < width; ++j)
            sums_[place(a + i, b + j)] += static_cast<double>(y(i, j));
        });
      }
    }
  }

  std::size_t channels_;
  buffer<double> sums_;
  std::uint64_t rows_ = 0;
};

static_assert(observer<gram>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
