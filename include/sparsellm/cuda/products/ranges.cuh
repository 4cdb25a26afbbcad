// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which outputs one launch has: kernels know one section for each of their blocks' tiles, and the
// host sees to it that borders lie between tiles.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Blocks from which on a large GPU (132 multiprocessors) has three waves' worth to do.
inline constexpr unsigned blocks_wanted = 400;

// launch(sections, first, last) for ranges of y's outputs in which every tile of Span outputs has
// one section: all outputs where borders lie between tiles, else one section after the other, whose
// tiles at a border are read for both. Width: y's outputs are that many times fewer than the
// weight's, and a tile has a section in each of its Width parts, gate and up.
template <std::size_t Span, std::size_t Width, class S, class Launch>
void for_each_range(std::size_t outputs, const section_list<S>& sections, const Launch& launch) {
  const std::size_t whole = outputs / Width;
  bool between = true;
  for (unsigned i = 0; i + 1 < sections.count; ++i)
    between = between && sections.at[i].last % whole % Span == 0;
  if (between) return launch(sections, std::size_t{0}, whole);
  for (std::size_t first = 0, last = 0; first < whole; first = last) {
    section<S> each[Width];
    last = whole;
    for (std::size_t k = 0; k < Width; ++k) {
      const section<S>& here = sections.at[sections.of(k * whole + first)];
      last = std::min(last, here.last - k * whole);
      each[k] = {k * whole, (k + 1) * whole, here.keep};
    }
    launch(section_list<S>(stacked<S>{each, Width}), first, last);
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
