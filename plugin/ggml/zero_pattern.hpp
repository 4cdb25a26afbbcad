// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M sparsity that a weight was pruned to before it came here: a file of floats says nothing of it
// but by its zeros.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <vector>

#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm_ggml {

// A pattern, and a mask that follows it and keeps everything that is not zero.
struct zero_pattern {
  sparsellm::nm_pattern pattern;
  sparsellm::weight_mask mask;
};

// Marks what a row keeps: its non-zeros, and in groups that have fewer than N of them zeros, the
// first. False when a group has more.
inline bool keep_non_zeros(sparsellm::nm_pattern p, const std::vector<float>& row, std::size_t r,
                           sparsellm::weight_mask& mask) {
  for (std::size_t first = 0; first < row.size(); first += p.m) {
    const std::size_t end = first + p.m < row.size() ? first + p.m : row.size();
    std::size_t spare = p.n;
    for (std::size_t c = first; c < end; ++c) {
      if (row[c] == 0) continue;
      if (spare-- == 0) return false;
      mask.keep(r, c);
    }
    for (std::size_t c = first; c < end && spare != 0; ++c) {
      if (row[c] != 0) continue;
      mask.keep(r, c);
      --spare;
    }
  }
  return true;
}

// 2:4, or else 4:8, where every group of every row has the zeros; nothing for other weights, which
// most often their first group shows. fill(r, out [inputs]) makes row r.
template <class Fill>
std::optional<zero_pattern> find_zero_pattern(sparsellm::cpu::executor& exec,
                                              sparsellm::extents shape, const Fill& fill) {
  for (const sparsellm::nm_pattern p : {sparsellm::nm_pattern{2, 4}, sparsellm::nm_pattern{4, 8}}) {
    sparsellm::weight_mask mask(shape);
    std::atomic<bool> follows{true};
    const auto look_at = [&](std::size_t r) {
      if (!follows.load(std::memory_order_relaxed)) return;
      std::vector<float> row(shape.inputs);
      fill(r, sparsellm::vector_view<float>(row.data(), row.size()));
      if (!keep_non_zeros(p, row, r, mask)) follows = false;
    };
    exec.parallel_for(shape.outputs, look_at);
    if (follows) return zero_pattern{p, std::move(mask)};
  }
  return std::nullopt;
}

}  // namespace sparsellm_ggml
