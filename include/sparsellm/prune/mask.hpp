// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which weights stay, one bit each. A mask comes from scores and is kept with the weights: a kept
// weight may be zero, and then `w != 0` would not know it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Which weights of W [outputs, inputs] are kept. A row is whole 64-bit words: channel c is bit c
// mod 64 of word c / 64, and bits after the last channel are 0.
class weight_mask {
 public:
  weight_mask() = default;
  // Nothing kept. Allocates. Throws shape_error for zero sizes.
  explicit weight_mask(extents shape) : shape_(shape) {
    require<shape_error>(shape.outputs != 0 && shape.inputs != 0, "weight_mask: at least 1x1, got ",
                         shape.outputs, "x", shape.inputs);
    words_ = buffer<std::uint64_t>(words_of(shape), 0u);
  }
  // How many words all rows have together; they follow one another.
  [[nodiscard]] static constexpr std::size_t words_of(extents shape) noexcept {
    return shape.outputs * ((shape.inputs + 63) / 64);
  }

  // Outputs and inputs, words of a row, and the words of row r.
  [[nodiscard]] extents shape() const noexcept { return shape_; }
  [[nodiscard]] std::size_t row_words() const noexcept { return (shape_.inputs + 63) / 64; }
  [[nodiscard]] const std::uint64_t* row(std::size_t r) const noexcept {
    return words_.data() + r * row_words();
  }
  [[nodiscard]] std::uint64_t* row(std::size_t r) noexcept {
    return words_.data() + r * row_words();
  }
  // Whether weight [r, c] stays; let it stay; how many of row r do.
  [[nodiscard]] bool keeps(std::size_t r, std::size_t c) const noexcept {
    return ((row(r)[c / 64] >> (c % 64)) & 1u) != 0;
  }
  void keep(std::size_t r, std::size_t c) noexcept {
    row(r)[c / 64] |= std::uint64_t{1} << (c % 64);
  }
  [[nodiscard]] std::size_t kept(std::size_t r) const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < row_words(); ++i)
      n += static_cast<std::size_t>(std::popcount(row(r)[i]));
    return n;
  }
  // Whether every group of every row keeps exactly N weights, or all of a group that has fewer.
  [[nodiscard]] bool follows(nm_pattern p) const noexcept {
    for (std::size_t r = 0; r < shape_.outputs; ++r)
      for (std::size_t first = 0; first < shape_.inputs; first += p.m) {
        const std::size_t length = p.m < shape_.inputs - first ? p.m : shape_.inputs - first;
        std::size_t n = 0;
        for (std::size_t c = first; c < first + length; ++c) n += keeps(r, c) ? 1u : 0u;
        if (n != (length < p.n ? length : p.n)) return false;
      }
    return true;
  }
  [[nodiscard]] weight_mask clone() const {
    weight_mask copy;
    copy.shape_ = shape_;
    copy.words_ = words_.clone();
    return copy;
  }

 private:
  extents shape_;
  buffer<std::uint64_t> words_;
};

// Bit i: element i is one of the n largest of scores [length <= 32]; of equal scores the earlier
// one is kept. NaN is never kept before a number.
[[nodiscard]] SPARSELLM_HD inline std::uint32_t largest_of(const float* scores, std::size_t length,
                                                           std::size_t n) noexcept {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < length; ++i) {
    std::size_t better = 0;
    for (std::size_t j = 0; j < length; ++j)
      better += j < i ? !(scores[i] > scores[j]) : scores[j] > scores[i];
    bits |= (better < n ? 1u : 0u) << i;
  }
  return bits;
}

// The mask that keeps the N largest of every M scores of each row of scores [outputs, inputs]; of
// equal ones the lower channel. Waits; allocates what it returns. Throws value_error for a pattern
// that is none, shape_error for zero sizes.
template <host_executor E>
[[nodiscard]] weight_mask best_of_groups(E& exec, nm_pattern p, matrix_view<const float> scores) {
  check(p);
  weight_mask mask({scores.rows(), scores.cols()});
  exec.parallel_for(scores.rows(), [&](std::size_t r) {
    for (std::size_t first = 0; first < scores.cols(); first += p.m) {
      const std::size_t length = p.m < scores.cols() - first ? p.m : scores.cols() - first;
      for (std::uint32_t bits = largest_of(&scores(r, first), length, p.n); bits != 0;
           bits &= bits - 1)
        mask.keep(r, first + static_cast<std::size_t>(std::countr_zero(bits)));
    }
  });
  return mask;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
