// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sections of a stacked weight, covered by whole groups of outputs. A group that two sections share
// is multiplied for both; the sums of each section lie in a place of their own, so borders may lie
// anywhere.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/kernel_table.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

template <class S>
struct covered_section {
  std::size_t first, last;  // outputs
  group_range groups;
  std::size_t at;  // of output groups.first · unit among the sums
  S keep;
};

template <class S>
class cover {
 public:
  // unit: outputs a group.
  cover(const stacked<S>& s, std::size_t unit) noexcept : count_(s.count) {
    for (std::size_t i = 0; i < count_; ++i) {
      const section<S>& from = s.sections[i];
      const group_range groups{from.first / unit, (from.last + unit - 1) / unit};
      pieces_[i] = {from.first, from.last, groups, width_, from.keep};
      width_ += (groups.last - groups.first) * unit;
    }
    unit_ = unit;
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] const covered_section<S>& operator[](std::size_t i) const noexcept {
    return pieces_[i];
  }
  // Outputs a group.
  [[nodiscard]] std::size_t unit() const noexcept { return unit_; }
  // Floats of one token's sums.
  [[nodiscard]] std::size_t width() const noexcept { return width_; }

  // From one token's sums to the next's: a cache line more, so that the same output of many tokens
  // does not fall into one set of the cache.
  [[nodiscard]] std::size_t batch_stride() const noexcept { return width_ + 16; }

  // body(output, n, at): runs of outputs of [first, last) and where their sums begin.
  template <class Body>
  void runs(std::size_t first, std::size_t last, const Body& body) const {
    for (std::size_t i = 0; i < count_; ++i) {
      const covered_section<S>& p = pieces_[i];
      const std::size_t from = std::max(first, p.first), to = std::min(last, p.last);
      if (from < to) body(from, to - from, p.at + from - p.groups.first * unit_);
    }
  }

 private:
  std::array<covered_section<S>, stacked<S>::most> pieces_;
  std::size_t count_, width_ = 0, unit_ = 0;
};

// One section: the whole weight.
template <class S>
[[nodiscard]] section<S> whole(std::size_t outputs, const S& s) noexcept {
  return {0, outputs, s};
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
