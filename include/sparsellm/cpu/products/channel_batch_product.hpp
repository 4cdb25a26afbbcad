// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A small batch on a weight that is stored by channels: a channel that is dead is not read; one
// that is active for some tokens is multiplied with zeros for the others.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector.hpp"
#include "sparsellm/cpu/products/batch_lists.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/multiply/summation.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// channels(strips, active, x, tokens, scratch, sums, stride) multiplies the listed channels for a
// range of strips: sums [tokens][stride], x [channels][tokens], channels.task_bytes(tokens,
// outputs) of scratch. A task of the product takes some strips,
// channels.shortest_run at least, and some parts. Where it has all parts of its strips it adds them
// as it goes, in what the caches hold; where several tasks share them their sums are added at the
// end. Returns false, with nothing done, where channels.pays(tokens, lists.total()) says that the
// tokens are multiplied faster one by one.
template <class Channels>
[[nodiscard]] bool channel_batch_product(const executor_ref& exec, extents shape,
                                         const cover& sections, const token_inputs& x,
                                         std::size_t tokens, const Channels& channels,
                                         matrix_view<float> y) {
  const vector_table& vectors = vector_kernels(exec.isa);
  const summation_parts parts = summation_of(shape.inputs);
  const std::size_t outputs = sections.outputs_per_strip();
  const std::size_t strips = (shape.outputs + outputs - 1) / outputs;
  const task_grid grid =
      task_grid::by_runs(exec.concurrency(), parts.count, strips / channels.shortest_run);
  const std::size_t longest = (strips + grid.runs - 1) / grid.runs;
  const std::size_t some =
      std::clamp<std::size_t>(batch_sum_bytes / (tokens * outputs * sizeof(float)), 1, longest);
  const bool folds = grid.splits == 1;
  const std::size_t tasks = grid.tasks(), listers = std::min(parts.count, exec.concurrency());
  // Sums of one token after the other's, as cover::batch_stride() says.
  const std::size_t width = folds ? some * outputs + 16 : sections.batch_stride();
  const std::size_t part_floats = tokens * width;

  scratch_layout layout;
  batch_lists lists(layout, sections, parts, tokens, listers);
  const std::size_t sums_at =
      layout.reserve<float>((folds ? tasks * 2 : parts.count) * part_floats);
  const std::size_t task_bytes = channels.task_bytes(tokens, some * outputs);
  const std::size_t task_at = layout.reserve<std::byte>(tasks * task_bytes);
  std::byte* const scratch = exec.scratch(layout.bytes());
  lists.use(scratch);

  exec.parallel_for(listers, [&](std::size_t task) {
    const index_range mine = share(parts.count, task, listers);
    for (std::size_t s = 0; s < sections.size(); ++s)
      for (std::size_t p = mine.first; p < mine.last; ++p) lists.list(s, p, x, task);
  });
  if (!channels.pays(tokens, lists.total())) return false;
  exec.parallel_for(tasks, [&](std::size_t task) {
    const index_range mine = share(parts.count, grid.split(task), grid.splits);
    float* const sums = at<float>(scratch, sums_at) + (folds ? task * 2 * part_floats : 0);
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section& section = sections[s];
      const index_range run = share(section.strip_count(), grid.run(task), grid.runs);
      for (std::size_t g = run.first; g < run.last; g += some) {
        const std::size_t g_end = std::min(g + some, run.last);
        for (std::size_t p = mine.first; p < mine.last; ++p) {
          float* const to = !folds   ? sums + p * part_floats + section.at + g * outputs
                            : p == 0 ? sums
                                     : sums + part_floats;
          channels({section.strips.first + g, section.strips.first + g_end}, lists(s, p),
                   lists.value(s, p), tokens, scratch + task_at + task * task_bytes, to, width);
          if (folds && p != 0)
            for (std::size_t t = 0; t < tokens; ++t)
              vectors.add_parts(sums + t * width, part_floats, 2, (g_end - g) * outputs,
                                sums + t * width);
        }
        if (!folds) continue;
        const std::size_t begin = (section.strips.first + g) * outputs;
        const std::size_t from = std::max(section.first, begin);
        const std::size_t to = std::min(section.last, begin + (g_end - g) * outputs);
        for (std::size_t t = 0; t < tokens; ++t)
          std::copy_n(sums + t * width + (from - begin), to - from, &y(t, from));
      }
    }
  });
  if (folds) return true;
  const float* const sums = at<float>(scratch, sums_at);
  exec.parallel_for(tokens, [&](std::size_t t) {
    sections.runs(0, shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
      vectors.add_parts(sums + t * width + at, part_floats, parts.count, n, &y(t, o));
    });
  });
  return true;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
