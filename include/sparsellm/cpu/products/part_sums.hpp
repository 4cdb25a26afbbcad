// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The sums of a product before its parts are added, and what follows: the outputs are stored, or
// gate and up meet in silu.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/tasks.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Part p of column c, counted as cover::runs() does, is at data[p · stride + c].
struct part_sums {
  const float* data;
  std::size_t stride;
  std::size_t parts;
};

// How many tasks add the parts: a second fork pays only when there is enough to add.
[[nodiscard]] inline std::size_t adders(const executor_ref& exec, const part_sums& sums) noexcept {
  return sums.parts * sums.stride > vector_tuning::serial_sums ? exec.concurrency() : 1;
}

// The outputs that the sections cover.
[[nodiscard]] inline index_range covered(const cover& sections) noexcept {
  return {sections[0].first, sections[sections.size() - 1].last};
}

// y[o] of the covered outputs = the parts, added in order.
inline void store_parts(const executor_ref& exec, const cover& sections, const part_sums& sums,
                        float* y) {
  const vector_table& kernels = vector_kernels(exec.isa);
  const std::size_t tasks = adders(exec, sums);
  const index_range outputs = covered(sections);
  exec.parallel_for(tasks, [&](std::size_t t) {
    const index_range mine = share(outputs.last - outputs.first, t, tasks);
    sections.runs(outputs.first + mine.first, outputs.first + mine.last,
                  [&](std::size_t o, std::size_t n, std::size_t at) {
                    kernels.add_parts(sums.data + at, sums.stride, sums.parts, n, y + o);
                  });
  });
}

// h [hidden] = silu(outputs [0, hidden)) ∘ outputs [hidden, 2 · hidden), parts added on the way.
inline void gate_parts(const executor_ref& exec, const cover& sections, const part_sums& sums,
                       std::size_t hidden, float* h) {
  constexpr std::size_t some = 256;  // of gate and of up: both stay in L1
  const vector_table& kernels = vector_kernels(exec.isa);
  const std::size_t tasks = adders(exec, sums);
  exec.parallel_for(tasks, [&](std::size_t t) {
    const index_range mine = share(hidden, t, tasks);
    float gates[some], ups[some];
    for (std::size_t o = mine.first; o < mine.last; o += some) {
      const std::size_t end = std::min(o + some, mine.last);
      const auto add = [&](std::size_t base, float* out) {
        sections.runs(base + o, base + end, [&](std::size_t output, std::size_t n, std::size_t at) {
          kernels.add_parts(sums.data + at, sums.stride, sums.parts, n, out + (output - base - o));
        });
      };
      add(0, gates);
      add(hidden, ups);
      kernels.silu_mul(gates, ups, end - o, h + o);
    }
  });
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
