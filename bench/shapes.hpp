// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Layer shapes that kernels are tuned and measured on, and the rule that keeps weights out of
// caches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "sparsellm/core/views.hpp"

namespace bench {

using sparsellm::extents;

// [outputs, inputs] of Llama-2-7B's layers.
inline const std::vector<extents> shapes{{4096, 4096}, {11008, 4096}, {4096, 11008}};

inline std::string name(extents e) {
  return std::to_string(e.outputs) + "x" + std::to_string(e.inputs);
}

// How many copies of a weight a loop rotates over: eight times a last-level cache of 32 MiB, for
// with less the reuse shows as speed.
inline std::size_t rotation(std::size_t bytes) {
  return std::max<std::size_t>(4, (std::size_t{8} * 32 << 20) / bytes);
}

// Any finite value does; the arithmetic takes the same time.
inline void fill_row(std::size_t r, sparsellm::vector_view<float> row) {
  for (std::size_t c = 0; c < row.size(); ++c)
    row[c] = static_cast<float>((r * 7 + c * 13) % 101) / 101.0f - 0.5f;
}

}  // namespace bench
