// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A histogram of |x| to keep or to write: text of the bins that hold something, a tenth of the
// memory and less, nothing lost. The digits are base64 VLQ, source maps' code for numbers without
// its sign: six bits a character, the lowest five first, the sixth says that more follow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::vlq {

inline constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// What each character stands for; 64 for those that are no digits.
inline constexpr std::array<std::uint8_t, 256> values = [] {
  std::array<std::uint8_t, 256> v{};
  for (std::uint8_t& n : v) n = 64;
  for (std::size_t d = 0; d < digits.size(); ++d)
    v[static_cast<unsigned char>(digits[d])] = static_cast<std::uint8_t>(d);
  return v;
}();

inline void append(std::string& to, std::uint64_t n) {
  for (; n >= 32; n >>= 5) to += digits[32 + (n & 31)];
  to += digits[n];
}

// The number that text begins with, which is taken off it. Throws format_error where it ends
// early, has another character, is longer than it need be, or beyond 64 bits.
[[nodiscard]] inline std::uint64_t take(std::string_view& text) {
  std::uint64_t n = 0;
  for (int shift = 0;; shift += 5) {
    require<format_error>(!text.empty(), "histogram: the text ends inside a number");
    const std::uint64_t digit = values[static_cast<unsigned char>(text.front())];
    require<format_error>(digit < 64, "histogram: a digit of base64 expected, got '", text.front(),
                          "'");
    text.remove_prefix(1);
    const std::uint64_t low = digit & 31;
    require<format_error>(shift < 64 && (low << shift) >> shift == low,
                          "histogram: a number beyond 64 bits");
    n |= low << shift;
    if (digit >= 32) continue;
    require<format_error>(low != 0 || shift == 0, "histogram: a number longer than it need be");
    return n;
  }
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::vlq

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// What a histogram counted, as text: the zeros, the values that are not finite, then for each bin
// that is not empty how far its smallest value is above the largest of the bin before, how far its
// largest is above its smallest (both of the floats' bits, the first from 0), and its count.
class compact_histogram {
 public:
  // Of nothing.
  compact_histogram() : compact_histogram(histogram()) {}
  explicit compact_histogram(const histogram& values)
      : total_(values.count() + values.non_finite()) {
    detail::vlq::append(text_, values.zeros());
    detail::vlq::append(text_, values.non_finite());
    std::uint32_t before = 0;
    for (const histogram::bin& b : values.bins()) {
      if (b.count == 0) continue;
      detail::vlq::append(text_, b.smallest - before);
      detail::vlq::append(text_, b.largest - b.smallest);
      detail::vlq::append(text_, b.count);
      before = b.largest;
    }
  }

  // Throws format_error for text that is none of a histogram.
  [[nodiscard]] static compact_histogram from_text(std::string text) {
    compact_histogram result;
    result.total_ = read(text, [](const histogram::bin&) {}).total;
    result.text_ = std::move(text);
    return result;
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  // How many values there were, finite or not.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

  // The histogram as it was.
  [[nodiscard]] histogram expand() const {
    std::vector<histogram::bin> bins(histogram::bin_count);
    const counted apart =
        read(text_, [&](const histogram::bin& b) { bins[histogram::bin_of(b.smallest)] = b; });
    histogram result;
    result.merge(bins, apart.zeros, apart.non_finite);
    return result;
  }

 private:
  struct counted {
    std::uint64_t zeros = 0, non_finite = 0, total = 0;
  };

  static void add(std::uint64_t& total, std::uint64_t count) {
    require<format_error>(count <= std::numeric_limits<std::uint64_t>::max() - total,
                          "histogram: more than 2^64 values");
    total += count;
  }

  template <class Use>
  static counted read(std::string_view text, const Use& use) {
    counted result;
    result.zeros = detail::vlq::take(text);
    result.non_finite = detail::vlq::take(text);
    add(result.total, result.zeros);
    add(result.total, result.non_finite);
    std::uint64_t before = 0;
    std::size_t at = histogram::bin_count;  // none yet
    while (!text.empty()) {
      constexpr std::uint64_t infinity = 0x7f800000u;
      const std::uint64_t gap = detail::vlq::take(text), width = detail::vlq::take(text),
                          count = detail::vlq::take(text);
      require<format_error>(gap != 0 && gap < infinity - before && width < infinity - before - gap,
                            "histogram: finite values that ascend expected");
      const auto smallest = static_cast<std::uint32_t>(before + gap);
      const auto largest = static_cast<std::uint32_t>(smallest + width);
      const std::size_t bin = histogram::bin_of(smallest);
      require<format_error>(bin != at && bin == histogram::bin_of(largest),
                            "histogram: a bin's values once, and within it, expected");
      require<format_error>(count != 0 && (count != 1 || width == 0),
                            "histogram: a bin with values expected, got ", count);
      add(result.total, count);
      use({count, smallest, largest});
      before = largest;
      at = bin;
    }
    return result;
  }

  std::string text_;
  std::uint64_t total_ = 0;
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
