// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A streaming histogram of |x| with logarithmic bins: the top bits of the float are the bin, so a
// bin is at most 1/1024 of its value wide from 2^-48 to 2^16, near zero as well as in the tails.
// (TEAL's 10,000 linear bins put 21 % of one Mistral layer into a single bin.) Counts are 64-bit
// integers: merging is exact, and the order of merging does not matter. Each bin also remembers the
// smallest and largest value it holds, because real activations are often bfloat16: their values
// are further apart than the bins are wide, and the answer should be one of them. 1 MiB in all.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/observe/observer.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// A histogram of |x|. Models observer.
class histogram {
 public:
  static constexpr std::size_t bin_count = std::size_t{64} << 10;

  // Bit patterns of positive floats order as the floats do.
  struct bin {
    std::uint64_t count = 0;
    std::uint32_t smallest = 0x7f800000u, largest = 0;

    // As if the other's values had been counted here.
    void merge(const bin& other) noexcept {
      count += other.count;
      if (other.smallest < smallest) smallest = other.smallest;
      if (other.largest > largest) largest = other.largest;
    }
  };
  // The bin of a finite |x| above 0, by its bits. Values outside [2^-48, 2^16) count in the
  // outermost bins.
  [[nodiscard]] SPARSELLM_HD static constexpr std::size_t bin_of(std::uint32_t magnitude) noexcept {
    const std::uint32_t key = magnitude >> shift;
    if (key < first) return 0;
    return key - first < bin_count ? key - first : bin_count - 1;
  }

  histogram() : bins_(bin_count, bin{}) {}
  histogram(histogram&&) noexcept = default;
  histogram& operator=(histogram&&) noexcept = default;

  // Counts every value of a row of any length. NaN and infinities are counted apart, see
  // non_finite(); they belong to no bin.
  void observe(vector_view<const float> row) noexcept {
    for (const float x : row) add(x, 1);
  }

  // Adds `count` occurrences of x: how a histogram made elsewhere is read in.
  void add(float x, std::uint64_t count) noexcept {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffffu;
    if (magnitude == 0) {
      zeros_ += count;
    } else if (magnitude >= 0x7f800000u) {
      non_finite_ += count;
    } else {
      bins_[bin_of(magnitude)].merge({count, magnitude, magnitude});
    }
  }

  // As if the other's values had been observed here; exact.
  void merge(const histogram& other) noexcept {
    for (std::size_t b = 0; b < bin_count; ++b) bins_[b].merge(other.bins_[b]);
    zeros_ += other.zeros_;
    non_finite_ += other.non_finite_;
  }

  // Adds what was counted elsewhere, on a device for instance: bins [bin_count]. Throws shape_error
  // for another number of bins.
  void merge(vector_view<const bin> bins, std::uint64_t zeros, std::uint64_t non_finite) {
    require<shape_error>(bins.size() == bin_count, "histogram: ", bin_count, " bins expected, got ",
                         bins.size());
    for (std::size_t b = 0; b < bin_count; ++b) bins_[b].merge(bins[b]);
    zeros_ += zeros;
    non_finite_ += non_finite;
  }

  // The bins [bin_count], by value.
  [[nodiscard]] vector_view<const bin> bins() const noexcept { return {bins_.data(), bin_count}; }

  // Finite values seen.
  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t total = zeros_;
    for (const bin& b : bins_) total += b.count;
    return total;
  }
  [[nodiscard]] std::uint64_t zeros() const noexcept { return zeros_; }
  [[nodiscard]] std::uint64_t non_finite() const noexcept { return non_finite_; }
  // The largest |x| seen, 0 when nothing was.
  [[nodiscard]] float max() const noexcept {
    std::uint32_t largest = 0;
    for (const bin& b : bins_)
      if (b.largest > largest) largest = b.largest;
    return std::bit_cast<float>(largest);
  }

  // The t for which a share q of the values has |x| <= t, by linear interpolation between the
  // smallest and the largest value of the bin. 0 for q = 0. A value that occurs often cannot be
  // split by any threshold: inside such a spike the answer is the spike's place to within a bin
  // (1/1024 of the value). Throws value_error when q is outside [0, 1], when nothing was seen, or
  // when NaN or infinities were: a threshold from such data would be silently wrong.
  [[nodiscard]] float quantile(double q) const {
    require<value_error>(q >= 0.0 && q <= 1.0, "histogram: the quantile must be in [0, 1], got ",
                         q);
    require<value_error>(non_finite_ == 0, "histogram: ", non_finite_,
                         " of the observed values are NaN or infinite");
    const std::uint64_t total = count();
    require<value_error>(total != 0, "histogram: no values were observed");
    const double rank = q * static_cast<double>(total);
    double below = static_cast<double>(zeros_);
    if (rank <= below) return 0.0f;
    for (const bin& b : bins_) {
      if (b.count == 0) continue;
      const auto inside = static_cast<double>(b.count);
      if (rank <= below + inside) {
        const auto low = static_cast<double>(std::bit_cast<float>(b.smallest));
        const auto high = static_cast<double>(std::bit_cast<float>(b.largest));
        return static_cast<float>(low + (high - low) * ((rank - below) / inside));
      }
      below += inside;
    }
    return max();
  }

  // The share of the values that have |x| <= t, by linear interpolation between the smallest and
  // the largest value of the bin: quantile()'s inverse. 0 below every value. Throws value_error
  // when t is NaN, when nothing was seen, or when NaN or infinities were.
  [[nodiscard]] double share_at_most(float t) const {
    require<value_error>(!is_nan(static_cast<double>(t)),
                         "histogram: a threshold expected, got NaN");
    require<value_error>(non_finite_ == 0, "histogram: ", non_finite_,
                         " of the observed values are NaN or infinite");
    const std::uint64_t total = count();
    require<value_error>(total != 0, "histogram: no values were observed");
    if (t < 0.0f) return 0.0;
    double below = static_cast<double>(zeros_);
    for (const bin& b : bins_) {
      if (b.count == 0) continue;
      const float low = std::bit_cast<float>(b.smallest), high = std::bit_cast<float>(b.largest);
      if (t < low) break;
      const auto inside = static_cast<double>(b.count);
      if (t < high)
        return (below + inside * static_cast<double>(t - low) / static_cast<double>(high - low)) /
               static_cast<double>(total);
      below += inside;
    }
    return below / static_cast<double>(total);
  }

 private:
  static constexpr int mantissa_bits = 10;
  static constexpr std::uint32_t shift = 23 - mantissa_bits;
  static constexpr std::uint32_t first = (127u - 48u) << mantissa_bits;  // 2^-48
  static_assert(bin_count == std::size_t{64} << mantissa_bits);

  buffer<bin> bins_;
  std::uint64_t zeros_ = 0, non_finite_ = 0;
};

static_assert(observer<histogram>);

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
