// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// One token's product over listed channels, whatever the weight is. Threads split channels, so that
// every active channel is read as one long run; the parts of multiply/summation.hpp make the result
// independent of how many threads there are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/part_sums.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/multiply/summation.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// channels(strips, active, ahead, task, sums) multiplies the listed channels for a range of strips;
// `ahead` entries of the list may be prefetched, `task` is channels.task_bytes of scratch.
// finish(sums) makes the outputs. `longest`: the most runs that a channel is cut into.
template <class Channels, class Finish>
void listed_product(const executor_ref& exec, extents shape, std::size_t longest,
                    const cover& sections, const token_input& x, const Channels& channels,
                    const Finish& finish) {
  const summation_parts parts = summation_of(shape.inputs);
  const task_grid grid(exec.concurrency(), parts.count, longest);
  const std::size_t tasks = grid.tasks();
  const std::size_t capacity = shape.inputs + compaction_slack;
  const std::size_t task_bytes = channels.task_bytes;

  scratch_layout layout;
  const std::size_t sums_at = layout.reserve<float>(parts.count * sections.width());
  const std::size_t index_at = layout.reserve<std::uint32_t>(tasks * capacity);
  const std::size_t value_at = layout.reserve<float>(tasks * capacity);
  const std::size_t task_at = layout.reserve<std::byte>(tasks * task_bytes);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const sums = at<float>(scratch, sums_at);

  exec.parallel_for(tasks, [&](std::size_t task) {
    std::uint32_t* const index = at<std::uint32_t>(scratch, index_at) + task * capacity;
    float* const value = at<float>(scratch, value_at) + task * capacity;
    const index_range mine = share(parts.count, grid.split(task), grid.splits);
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section& section = sections[s];
      const index_range run = share(section.strip_count(), grid.run(task), grid.runs);
      if (run.first == run.last) continue;
      // All of the task's parts are listed first: prefetching runs on across their borders.
      std::size_t counts[most_parts];
      std::size_t total = 0;
      for (std::size_t p = mine.first; p < mine.last; ++p)
        total += counts[p] = sections.list(s, exec.isa, x, parts.begin(p), parts.end(p),
                                           index + total, value + total);
      std::size_t done = 0;
      for (std::size_t p = mine.first; p < mine.last; ++p) {
        channels(
            {section.strips.first + run.first, section.strips.first + run.last},
            {index + done, value + done, counts[p]}, total - done,
            scratch + task_at + task * task_bytes,
            sums + p * sections.width() + section.at + run.first * sections.outputs_per_strip());
        done += counts[p];
      }
    }
  });
  finish(part_sums{sums, sections.width(), parts.count});
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
