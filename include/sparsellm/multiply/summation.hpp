// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The one order in which a product of strips is summed, whatever the format, the
// instruction set, the batch or the number of threads: the input channels are cut into a few parts
// that depend on their number alone; within a part terms are added by fused multiply-add in
// ascending order, starting from zero; the parts are added in ascending order. Hence results are
// the same to the bit, and a skipped channel is exactly a zero activation (docs/numerics.md).
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"

namespace sparsellm::inline v0::detail {

// The most parts that channels are cut into.
inline constexpr std::size_t most_parts = 8;

struct summation_parts {
  std::size_t inputs;
  std::size_t count;   // at least 1
  std::size_t length;  // channels of every part but the last

  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t begin(
      std::size_t part) const noexcept {
    return part * length < inputs ? part * length : inputs;
  }
  [[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr std::size_t end(
      std::size_t part) const noexcept {
    return begin(part + 1);
  }
};

// Powers of two, so that two and four threads share them evenly. Few enough that adding them costs
// nothing beside reading the weights; eight is also what keeps a dot product's error bound at an
// eighth of a single chain's. The length of a part is a multiple of `multiple` channels: 16,
// or as many as a quantised block has.
[[nodiscard]] SPARSELLM_HD SPARSELLM_INLINE constexpr summation_parts summation_of(
    std::size_t inputs, std::size_t multiple = 16) noexcept {
  const std::size_t count = inputs >= 2048   ? most_parts
                            : inputs >= 1024 ? 4
                            : inputs >= 256  ? 2
                                             : 1;
  const std::size_t length = ((inputs + count - 1) / count + multiple - 1) / multiple * multiple;
  return {inputs, count, length};
}

}  // namespace sparsellm::inline v0::detail
