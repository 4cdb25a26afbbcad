// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Statistics of each channel of activations, in one pass: norms, minimum, maximum, firing rate.
// They take 32 bytes per channel; sums are kept in double.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/observe/observer.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Norms, range and firing rate of each channel. Models observer.
class channel_stats {
 public:
  // What is kept of one channel over the rows seen: the sums of |x| and of x², the range, and in
  // how many rows it fired.
  struct sums {
    double sum_abs = 0, sum_squares = 0;
    float min = std::numeric_limits<float>::infinity();
    float max = -std::numeric_limits<float>::infinity();
    std::uint64_t fired = 0;
  };

  // A channel fires in a row when |x| > firing_threshold. Allocates. Throws shape_error for no
  // channels, value_error for a negative or NaN threshold.
  explicit channel_stats(std::size_t channels, float firing_threshold = 0.0f)
      : firing_threshold_(firing_threshold) {
    require<shape_error>(channels != 0, "channel_stats: at least 1 channel expected, got 0");
    require<value_error>(firing_threshold >= 0.0f,
                         "channel_stats: the firing threshold must be at least 0, got ",
                         firing_threshold);
    channels_ = buffer<sums>(channels, sums{});
  }

  // Statistics that were summed elsewhere, on a device for instance: sums [channels] over `rows`
  // rows. Allocates and throws as above.
  channel_stats(vector_view<const sums> channels, std::uint64_t rows, float firing_threshold)
      : channel_stats(channels.size(), firing_threshold) {
    for (std::size_t c = 0; c < channels.size(); ++c) channels_[c] = channels[c];
    rows_ = rows;
  }

  // Adds one row x [channels]. Throws shape_error for another length. Allocates nothing.
  void observe(vector_view<const float> row) {
    require<shape_error>(row.size() == channels(), "channel_stats: rows of ", channels(),
                         " channels expected, got ", row.size());
    for (std::size_t c = 0; c < row.size(); ++c) {
      sums& s = channels_[c];
      const auto x = static_cast<double>(row[c]);
      s.sum_abs += std::fabs(x);
      s.sum_squares += x * x;
      if (row[c] < s.min) s.min = row[c];
      if (row[c] > s.max) s.max = row[c];
      s.fired += std::fabs(row[c]) > firing_threshold_ ? 1u : 0u;
    }
    ++rows_;
  }

  // As if the other's rows had been observed here. Throws shape_error for another number of
  // channels, value_error for another firing threshold.
  void merge(const channel_stats& other) {
    require<shape_error>(other.channels() == channels(), "channel_stats: merging ", channels(),
                         " channels with ", other.channels());
    require<value_error>(other.firing_threshold_ == firing_threshold_,
                         "channel_stats: merging firing thresholds ", firing_threshold_, " and ",
                         other.firing_threshold_);
    for (std::size_t c = 0; c < channels(); ++c) {
      sums& s = channels_[c];
      const sums& o = other.channels_[c];
      s.sum_abs += o.sum_abs;
      s.sum_squares += o.sum_squares;
      if (o.min < s.min) s.min = o.min;
      if (o.max > s.max) s.max = o.max;
      s.fired += o.fired;
    }
    rows_ += other.rows_;
  }

  // How many there are, and how many rows were seen.
  [[nodiscard]] std::size_t channels() const noexcept { return channels_.size(); }
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  // sum over rows of |x_c|
  [[nodiscard]] double l1_norm(std::size_t c) const noexcept { return channels_[c].sum_abs; }
  // sqrt of the sum over rows of x_c²: what Wanda and E-Sparse call ‖X_j‖₂
  [[nodiscard]] double l2_norm(std::size_t c) const noexcept {
    return std::sqrt(channels_[c].sum_squares);
  }
  // l2_norm / sqrt(rows); 0 before the first row
  [[nodiscard]] double root_mean_square(std::size_t c) const noexcept {
    return rows_ == 0 ? 0.0 : std::sqrt(channels_[c].sum_squares / static_cast<double>(rows_));
  }
  // +infinity and -infinity before the first row
  [[nodiscard]] float min(std::size_t c) const noexcept { return channels_[c].min; }
  [[nodiscard]] float max(std::size_t c) const noexcept { return channels_[c].max; }
  // share of rows in which the channel fired, in [0, 1]; 0 before the first row
  [[nodiscard]] double firing_rate(std::size_t c) const noexcept {
    return rows_ == 0 ? 0.0 : static_cast<double>(channels_[c].fired) / static_cast<double>(rows_);
  }

 private:
  buffer<sums> channels_;
  float firing_threshold_;
  std::uint64_t rows_ = 0;
};

static_assert(observer<channel_stats>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
