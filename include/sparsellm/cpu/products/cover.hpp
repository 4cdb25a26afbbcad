// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which strips of outputs the sections of a selection need. A strip that two sections share is
// multiplied for both. The sums of each section lie in a place of their own, so that a section may
// begin and end inside a strip.
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
  std::size_t at;  // where the sums of the section's strips begin
  [[nodiscard]] std::size_t strip_count() const noexcept { return strips.last - strips.first; }
};

class cover {
 public:
  // `outputs_per_strip` is the layout's, `outputs` the number of outputs of the weight. Borrows s.
  cover(const selection& s, std::size_t outputs_per_strip, std::size_t outputs) noexcept
      : selection_(s), outputs_per_strip_(outputs_per_strip), outputs_(outputs) {
    for (std::size_t i = 0; i < s.count; ++i) {
      const std::size_t first = s.sections[i].first, last = s.sections[i].last;
      const index_range strips{first / outputs_per_strip,
                               (last + outputs_per_strip - 1) / outputs_per_strip};
      pieces_[i] = {first, last, strips, width_};
      width_ += (strips.last - strips.first) * outputs_per_strip;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return selection_.count; }
  [[nodiscard]] const covered_section& operator[](std::size_t i) const noexcept {
    return pieces_[i];
  }
  // Whether one section is the whole weight: products then store their outputs directly, without
  // sums in between.
  [[nodiscard]] bool whole() const noexcept {
    return size() == 1 && pieces_[0].first == 0 && pieces_[0].last == outputs_;
  }
  [[nodiscard]] bool keeps_all() const noexcept { return selection_.keeps_all; }
  // How many outputs a strip has.
  [[nodiscard]] std::size_t outputs_per_strip() const noexcept { return outputs_per_strip_; }
  // How many floats the sums of one token are.
  [[nodiscard]] std::size_t width() const noexcept { return width_; }

  // Floats from one token's sums to the next's: a cache line more than the sums, so that the same
  // output of many tokens does not fall into one set of the cache.
  [[nodiscard]] std::size_t batch_stride() const noexcept { return width_ + 16; }

  // Lists the channels of [first, last) that section i keeps, and returns how many; or copies x
  // with zeros in place of what it skips. As selection's functions.
  std::size_t list(std::size_t i, cpu::isa isa, const token_input& x, std::size_t first,
                   std::size_t last, std::uint32_t* index, float* value) const {
    return selection_.list(selection_.sections[i].keep, isa, x, first, last, index, value);
  }
  void zero(std::size_t i, const token_input& x, std::size_t first, std::size_t last,
            float* out) const {
    selection_.zero(selection_.sections[i].keep, x, first, last, out);
  }

  // Calls body(output, n, at) for the outputs [output, output + n) that each section has of [first,
  // last); their sums begin at `at`.
  template <class Body>
  void runs(std::size_t first, std::size_t last, const Body& body) const {
    for (std::size_t i = 0; i < size(); ++i) {
      const covered_section& p = pieces_[i];
      const std::size_t from = std::max(first, p.first), to = std::min(last, p.last);
      if (from < to) body(from, to - from, p.at + from - p.strips.first * outputs_per_strip_);
    }
  }

 private:
  const selection& selection_;
  covered_section pieces_[most_sections];
  std::size_t width_ = 0, outputs_per_strip_, outputs_;
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
