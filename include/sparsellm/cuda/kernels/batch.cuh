// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What every product's kernel is told of its activations: where they lie, and which sparsifier each
// section of the outputs has.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <class S>
struct section_list {
  section<S> at[most_sections];
  unsigned count;

  explicit section_list(const stacked<S>& s) : at{}, count(static_cast<unsigned>(s.count)) {
    std::copy_n(s.sections, s.count, at);
  }
  // Outputs behind the last belong to the last: they pad a tile.
  [[nodiscard]] __device__ unsigned of(unsigned output) const {
    unsigned s = 0;
    while (s + 1 < count && output >= at[s].last) ++s;
    return s;
  }
};

// x [tokens, inputs], y [tokens, outputs]
struct token_batch {
  const float* x;
  std::size_t x_stride;
  float* y;
  std::size_t y_stride;
  unsigned tokens;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
