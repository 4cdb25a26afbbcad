// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The information entropy of each channel's activations (E-Sparse, arXiv 2310.15929, section 3):
// the range is cut into bins, and H = −Σ p log p over the shares p of tokens that fall into each.
// It needs a second pass over the same rows: channel_stats of the first pass give the ranges. Every
// bin of every channel has a 32-bit counter.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/observe/observer.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// What the paper leaves open. The defaults are the reading that works best where weights are
// scored by entropy plus norm; docs/esparse.md says what the others cost.
struct entropy_options {
  enum class logarithm { natural, base2 };  // nats or bits
  enum class range { channel, tensor };     // bins cover a channel's own values, or all channels'
  enum class values { with_sign, absolute };

  std::size_t bins = 100;
  logarithm unit = logarithm::natural;
  range span = range::channel;
  values of = values::with_sign;
};

// The entropy of each channel. Models observer.
class entropy {
 public:
  // A value falls into the bin floor((x - low) · bins_per_unit), or the nearest there is.
  struct bin_range {
    double low, bins_per_unit;
  };

  // `ranges` has seen the rows that observe() will; a value outside them counts in the nearest bin.
  // Allocates. Throws value_error for fewer than 2 bins, when the ranges have seen no rows, and
  // when they have seen infinities.
  explicit entropy(const channel_stats& ranges, entropy_options how = {}) : how_(how) {
    require<value_error>(how.bins >= 2, "entropy: at least 2 bins expected, got ", how.bins);
    require<value_error>(ranges.rows() != 0, "entropy: the ranges have seen no rows");
    ranges_ = buffer<bin_range>(ranges.channels());
    float low = ranges.min(0), high = ranges.max(0);
    for (std::size_t c = 0; c < channels(); ++c) {
      const float min = ranges.min(c), max = ranges.max(c);
      require<value_error>(is_finite(min) && is_finite(max), "entropy: channel ", c,
                           " ranges over [", min, ", ", max, "], finite numbers expected");
      ranges_[c] = range_of(min, max);
      if (min < low) low = min;
      if (max > high) high = max;
    }
    if (how.span == entropy_options::range::tensor)
      for (bin_range& r : ranges_) r = range_of(low, high);
    counts_ = buffer<std::uint32_t>(channels() * how.bins, 0u);
  }

  // Counts one row x [channels]. Throws shape_error for another length. Allocates nothing.
  void observe(vector_view<const float> row) {
    require<shape_error>(row.size() == channels(), "entropy: rows of ", channels(),
                         " channels expected, got ", row.size());
    const auto last = static_cast<double>(how_.bins - 1);
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool absolute = how_.of == entropy_options::values::absolute;
      const auto x = static_cast<double>(absolute ? std::fabs(row[c]) : row[c]);
      if (!is_finite(x)) {
        ++non_finite_;
        continue;
      }
      const double place = std::floor((x - ranges_[c].low) * ranges_[c].bins_per_unit);
      const double bin = place < 0 ? 0 : place > last ? last : place;
      ++counts_[c * how_.bins + static_cast<std::size_t>(bin)];
    }
    ++rows_;
  }

  // Adds what was counted elsewhere, on a device for instance: counts [channels][bins] of `rows`
  // rows, of which `non_finite` values were NaN or infinite and are in no bin. Throws shape_error
  // for another size.
  void merge(vector_view<const std::uint32_t> counts, std::uint64_t rows,
             std::uint64_t non_finite) {
    require<shape_error>(counts.size() == counts_.size(), "entropy: ", counts_.size(),
                         " counters expected, got ", counts.size());
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += counts[i];
    rows_ += rows;
    non_finite_ += non_finite;
  }

  // As if the other's rows had been observed here. Throws shape_error for other channels or bins,
  // value_error for other values or ranges.
  void merge(const entropy& other) {
    require<shape_error>(other.channels() == channels() && other.how_.bins == how_.bins,
                         "entropy: merging ", channels(), " channels of ", how_.bins, " bins with ",
                         other.channels(), " of ", other.how_.bins);
    require<value_error>(other.how_.of == how_.of, "entropy: merging ", kind_of(how_.of), " with ",
                         kind_of(other.how_.of));
    for (std::size_t c = 0; c < channels(); ++c)
      require<value_error>(other.ranges_[c].low == ranges_[c].low &&
                               other.ranges_[c].bins_per_unit == ranges_[c].bins_per_unit,
                           "entropy: merging other ranges, of channel ", c);
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    rows_ += other.rows_;
    non_finite_ += other.non_finite_;
  }

  // How many channels there are, and how they are counted.
  [[nodiscard]] std::size_t channels() const noexcept { return ranges_.size(); }
  [[nodiscard]] const entropy_options& options() const noexcept { return how_; }
  [[nodiscard]] vector_view<const bin_range> ranges() const noexcept {
    return {ranges_.data(), ranges_.size()};
  }
  // How many rows were seen.
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

  // H of channel c in nats or bits, as options().unit says, at least 0; 0 for a channel that never
  // changes. Throws value_error when no rows were seen, or NaN or infinities were.
  [[nodiscard]] double value(std::size_t c) const {
    require<value_error>(rows_ != 0, "entropy: no rows were observed");
    require<value_error>(non_finite_ == 0, "entropy: ", non_finite_,
                         " of the observed values are NaN or infinite");
    double sum = 0;
    for (std::size_t b = 0; b < how_.bins; ++b) {
      const double p = static_cast<double>(counts_[c * how_.bins + b]) / static_cast<double>(rows_);
      if (p > 0) sum -= p * std::log(p);
    }
    constexpr double nats_per_bit = 0.693147180559945309417;
    if (how_.unit == entropy_options::logarithm::base2) sum /= nats_per_bit;
    return sum < 0 ? 0 : sum;
  }

 private:
  [[nodiscard]] static const char* kind_of(entropy_options::values v) noexcept {
    return v == entropy_options::values::absolute ? "absolute values" : "values with their sign";
  }
  [[nodiscard]] bin_range range_of(float min, float max) const noexcept {
    auto low = static_cast<double>(min), high = static_cast<double>(max);
    if (how_.of == entropy_options::values::absolute) {
      high = std::fmax(std::fabs(low), std::fabs(high));
      low = 0;
    }
    // All equal: one bin holds everything.
    return {low, high > low ? static_cast<double>(how_.bins) / (high - low) : 0.0};
  }

  entropy_options how_;
  buffer<bin_range> ranges_;
  buffer<std::uint32_t> counts_;  // [channels][bins]
  std::uint64_t rows_ = 0, non_finite_ = 0;
};

static_assert(observer<entropy>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
