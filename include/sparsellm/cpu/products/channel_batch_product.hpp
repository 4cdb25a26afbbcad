// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A small batch on a channel_major weight of bricks: a channel that is dead is not read; one that
// is active for some tokens is multiplied with zeros for the others.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/brick.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// A task's inputs, and which of its channels some token keeps.
struct task_batch {
  std::uint32_t* index;  // the active channels of the task's parts, one part after the other
  std::uint8_t* active;  // [channels of the task]: 1 where some token keeps the channel
  float* kept;           // [tokens][capacity], zero where a token skips
  std::size_t capacity;
};

// Fills `batch` for one section and the channels of parts [mine.first, mine.last); counts[p] =
// the number of active channels of part p; returns their sum.
inline std::size_t list_batch(const cover& sections, std::size_t section, const token_inputs& x,
                              std::size_t tokens, const summation_parts& parts, index_range mine,
                              const task_batch& batch, std::size_t* counts) {
  const std::size_t first = parts.begin(mine.first), last = parts.end(mine.last - 1);
  std::fill(batch.active, batch.active + (last - first), std::uint8_t{0});
  for (std::size_t t = 0; t < tokens; ++t) {
    float* const row = batch.kept + t * batch.capacity;
    sections.zero(section, x[t], first, last, row);
    for (std::size_t c = 0; c < last - first; ++c)
      batch.active[c] = static_cast<std::uint8_t>(batch.active[c] | (row[c] != 0.0f ? 1 : 0));
  }
  std::size_t total = 0;
  for (std::size_t p = mine.first; p < mine.last; ++p) {
    const std::size_t before = total;
    for (std::size_t c = parts.begin(p); c < parts.end(p); ++c) {
      batch.index[total] = static_cast<std::uint32_t>(c);
      total += batch.active[c - first];
    }
    counts[p] = total - before;
  }
  return total;
}

// For 1 to brick_tuning::skipping_batch tokens.
template <storage_scalar T>
void channel_batch_product(const executor_ref& exec, const brick_weight<T>& w,
                           const cover& sections, const token_inputs& x, std::size_t tokens,
                           matrix_view<float> y) {
  const brick_table<T>& kernels = brick_kernels<T>(exec.isa);
  const summation_parts parts = summation_of(w.shape.inputs);
  constexpr std::size_t run = brick_tuning::run_strips;
  const task_grid grid(exec.concurrency(), parts.count, (w.strips() + run - 1) / run);
  const std::size_t tasks = grid.tasks(), width = sections.batch_stride();
  const std::size_t capacity = parts.count * parts.length;

  scratch_layout layout;
  const std::size_t sums_at = layout.reserve<float>(parts.count * tokens * width);
  const std::size_t index_at = layout.reserve<std::uint32_t>(tasks * capacity);
  const std::size_t active_at = layout.reserve<std::uint8_t>(tasks * capacity);
  const std::size_t kept_at = layout.reserve<float>(tasks * tokens * capacity);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const sums = at<float>(scratch, sums_at);

  exec.parallel_for(tasks, [&](std::size_t task) {
    const task_batch batch{at<std::uint32_t>(scratch, index_at) + task * capacity,
                           at<std::uint8_t>(scratch, active_at) + task * capacity,
                           at<float>(scratch, kept_at) + task * tokens * capacity, capacity};
    const index_range mine = share(parts.count, grid.split(task), grid.splits);
    const std::size_t first = parts.begin(mine.first), last = parts.end(mine.last - 1);
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section& section = sections[s];
      const index_range my_run = share(section.strip_count(), grid.run(task), grid.runs);
      if (my_run.first == my_run.last) continue;
      std::size_t counts[most_parts];
      const std::size_t total = list_batch(sections, s, x, tokens, parts, mine, batch, counts);
      std::size_t done = 0;
      for (std::size_t p = mine.first; p < mine.last; ++p) {
        // kept is counted from the task's first channel.
        kernels.channel_batch(
            w, {section.strips.first + my_run.first, section.strips.first + my_run.last},
            {batch.index + done, counts[p], total - done, first},
            matrix_view<const float>(batch.kept, tokens, last - first, capacity),
            sums + p * tokens * width + section.at + my_run.first * brick_outputs, width);
        done += counts[p];
      }
    }
  });
  const vector_table& vectors = vector_kernels(exec.isa);
  exec.parallel_for(tokens, [&](std::size_t t) {
    sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
      vectors.add_parts(sums + t * width + at, tokens * width, parts.count, n, &y(t, o));
    });
  });
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
