// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What every product's kernel is told of its activations: where they lie, and which sparsifier each
// section of the outputs has.
#pragma once

#include <concepts>
#include <cstddef>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/sparsify/score.hpp"
#include "sparsellm/sparsify/selector.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// What is not zero: a scattered active set's channels.
struct nonzero {
  [[nodiscard]] SPARSELLM_HD bool keeps(float x, std::size_t) const noexcept {
    return !(x == 0.0f);
  }
};
static_assert(pointwise_sparsifier<nonzero>);

// The library's own sparsifiers are one type to the kernels, which are compiled once for all of
// them; a sparsifier of the user's stays what it is.
using threshold = sparsifier<column_scaled, above>;
[[nodiscard]] inline threshold for_kernels(const keep_all&) { return {{nullptr}, {-1.0f}}; }
[[nodiscard]] inline threshold for_kernels(const nonzero&) { return {{nullptr}, {0.0f}}; }
[[nodiscard]] inline threshold for_kernels(const teal& s) { return {{nullptr}, s.select}; }
template <class S>
[[nodiscard]] S for_kernels(const S& s) {
  return s;
}

// Whether two sparsifiers surely keep the same of every input: what the first's product has
// prepared serves the second's. A user's says so by ==, where it has one.
[[nodiscard]] inline bool keep_alike(const threshold& a, const threshold& b) {
  return a.score.scale == b.score.scale && a.select.tau == b.select.tau;
}
template <class S>
[[nodiscard]] bool keep_alike(const S& a, const S& b) {
  if constexpr (std::equality_comparable<S>) return a == b;
  return false;
}

template <class S>
struct section_list {
  section<S> at[most_sections];
  unsigned count;

  template <class Given>
  explicit section_list(const stacked<Given>& s) : at{}, count(static_cast<unsigned>(s.count)) {
    for (unsigned i = 0; i < count; ++i)
      at[i] = {s.sections[i].first, s.sections[i].last, for_kernels(s.sections[i].keep)};
  }
  // Whether section i keeps what the one before it keeps.
  [[nodiscard]] bool repeats(unsigned i) const {
    return i != 0 && keep_alike(at[i - 1].keep, at[i].keep);
  }
  // Outputs behind the last belong to the last: they pad a tile.
  [[nodiscard]] SPARSELLM_HD unsigned of(std::size_t output) const {
    unsigned s = 0;
    while (s + 1 < count && output >= at[s].last) ++s;
    return s;
  }
};

template <class Given>
section_list(const stacked<Given>&) -> section_list<decltype(for_kernels(std::declval<Given>()))>;

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
