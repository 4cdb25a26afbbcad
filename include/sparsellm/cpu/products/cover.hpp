// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The sections of a selection, covered by whole strips of outputs. A strip that two sections share is
// multiplied for both; the sums of each section lie in a place of their own, so borders may lie
// anywhere.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

struct covered_section {
  std::size_t first, last;  // outputs
  index_range strips;
  std::size_t at;  // of output strips.first · unit among the sums
  [[nodiscard]] std::size_t width() const noexcept { return strips.last - strips.first; }
};

class cover {
 public:
  // unit: outputs a strip; outputs: of the weight.
  cover(const selection& s, std::size_t unit, std::size_t outputs) noexcept
      : selection_(s), unit_(unit), outputs_(outputs) {
    for (std::size_t i = 0; i < s.count; ++i) {
      const std::size_t first = s.sections[i].first, last = s.sections[i].last;
      const index_range strips{first / unit, (last + unit - 1) / unit};
      pieces_[i] = {first, last, strips, width_};
      width_ += (strips.last - strips.first) * unit;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return selection_.count; }
  [[nodiscard]] const covered_section& operator[](std::size_t i) const noexcept {
    return pieces_[i];
  }
  // One section that is the whole weight: products store where they are asked to, no sums apart.
  [[nodiscard]] bool whole() const noexcept {
    return size() == 1 && pieces_[0].first == 0 && pieces_[0].last == outputs_;
  }
  [[nodiscard]] bool keeps_all() const noexcept { return selection_.keeps_all; }
  // Outputs a strip.
  [[nodiscard]] std::size_t unit() const noexcept { return unit_; }
  // Floats of one token's sums.
  [[nodiscard]] std::size_t width() const noexcept { return width_; }

  // From one token's sums to the next's: a cache line more, so that the same output of many tokens
  // does not fall into one set of the cache.
  [[nodiscard]] std::size_t batch_stride() const noexcept { return width_ + 16; }

  // Section i's channels of [first, last), listed; or x with zeros.
  std::size_t list(std::size_t i, cpu::isa isa, const token_input& x, std::size_t first,
                   std::size_t last, std::uint32_t* index, float* value) const {
    return selection_.list(selection_.sections[i].keep, isa, x, first, last, index, value);
  }
  void zero(std::size_t i, const token_input& x, std::size_t first, std::size_t last,
            float* out) const {
    selection_.zero(selection_.sections[i].keep, x, first, last, out);
  }

  // body(output, n, at): runs of outputs of [first, last) and where their sums begin.
  template <class Body>
  void runs(std::size_t first, std::size_t last, const Body& body) const {
    for (std::size_t i = 0; i < size(); ++i) {
      const covered_section& p = pieces_[i];
      const std::size_t from = std::max(first, p.first), to = std::min(last, p.last);
      if (from < to) body(from, to - from, p.at + from - p.strips.first * unit_);
    }
  }

 private:
  const selection& selection_;
  covered_section pieces_[most_sections];
  std::size_t width_ = 0, unit_, outputs_;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
