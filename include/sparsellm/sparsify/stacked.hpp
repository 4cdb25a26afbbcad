// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Projections that read the same x (q, k, v; gate, up) are stacked into one weight with longer rows
// and multiplied in one pass, each with a sparsifier of its own. Borders may lie anywhere.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0 {

// Outputs [first, last) skip what `keep` does not keep.
template <class S>
struct section {
  std::size_t first;
  std::size_t last;
  S keep;
};

// The most sections a stack may have.
inline constexpr std::size_t most_sections = 8;

// One sparsifier per section; sections borrowed, ascending, from 0 to the weight's outputs without
// a gap, at most most_sections of them.
template <class S>
struct stacked {
  const section<S>* sections;
  std::size_t count;
};

}  // namespace sparsellm::inline v0
