// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products that skip: channel_major weights of floats, one token or a small batch. Threads split
// channels, so that every live row is read as one long run; the parts of multiply/summation.hpp
// make the result independent of how many threads there are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/cover.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/kernel_table.hpp"
#include "sparsellm/cpu/selection.hpp"
#include "sparsellm/cpu/tasks.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// The sums of a product before its parts are added: part p of column c, counted as cover::runs()
// does, is at data[p · stride + c].
struct part_sums {
  const float* data;
  std::size_t stride;
  std::size_t parts;
};

// Adding parts and what follows it pays a second fork only when there is enough of it.
template <host_executor E>
[[nodiscard]] std::size_t adders(const E& exec, const part_sums& sums) {
  constexpr std::size_t serial_floats = 16384;
  return sums.parts * sums.stride > serial_floats ? exec.concurrency() : 1;
}

// y [outputs] = the parts, added in order.
template <class S>
[[nodiscard]] auto store_to(float* y, const cover<S>& sections) {
  return
      [y, &sections](auto& exec, const auto& kernels, const part_sums& sums, std::size_t outputs) {
        const std::size_t tasks = adders(exec, sums);
        exec.parallel_for(tasks, [&](std::size_t t) {
          const group_range mine = share(outputs, t, tasks);
          sections.runs(mine.first, mine.last, [&](std::size_t o, std::size_t n, std::size_t at) {
            kernels.add_parts(sums.data + at, sums.stride, sums.parts, n, y + o);
          });
        });
      };
}

// A product of listed channels, whatever the weight is. list(keep, first, last, index, value)
// writes the live channels of [first, last) for a section and returns how many; channels(groups,
// active, ahead, task, sums) multiplies them, groups of the sections' unit; finish(exec, kernels,
// sums, outputs) makes y of the sums. `longest`: the most runs that a channel is cut into.
template <host_executor E, class S, class List, class Channels, class Finish>
void listed_product(E& exec, extents shape, std::size_t longest, const cover<S>& sections,
                    const List& list, const Channels& channels, const Finish& finish) {
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
    const group_range mine = share(parts.count, grid.split(task), grid.splits);
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section<S>& section = sections[s];
      const std::size_t width = section.groups.last - section.groups.first;
      const group_range run = share(width, grid.run(task), grid.runs);
      if (run.first == run.last) continue;
      // All of the task's parts are listed first: prefetching runs on across their borders.
      std::size_t counts[8];
      std::size_t total = 0;
      for (std::size_t p = mine.first; p < mine.last; ++p)
        total += counts[p] =
            list(section.keep, parts.begin(p), parts.end(p), index + total, value + total);
      std::size_t done = 0;
      for (std::size_t p = mine.first; p < mine.last; ++p) {
        channels({section.groups.first + run.first, section.groups.first + run.last},
                 {index + done, value + done, counts[p]}, total - done,
                 scratch + task_at + task * task_bytes,
                 sums + p * sections.width() + section.at + run.first * sections.unit());
        done += counts[p];
      }
    }
  });
  finish(exec, kernels_for<float>(isa_of(exec)), part_sums{sums, sections.width(), parts.count},
         shape.outputs);
}

// Of a channel_major weight of floats.
template <storage_scalar T>
struct grouped_channels {
  const kernel_table<T>& kernels;
  const grouped_weight<T>& w;
  static constexpr std::size_t task_bytes = 0;
  void operator()(group_range groups, active_view active, std::size_t ahead, std::byte*,
                  float* sums) const noexcept {
    kernels.channel_gemv(w, groups, active, ahead, sums);
  }
};
template <host_executor E, storage_scalar T, class S, class List, class Finish>
void channel_product(E& exec, const grouped_weight<T>& w, const cover<S>& sections,
                     const List& list, const Finish& finish) {
  listed_product(exec, w.shape, (w.groups() + 63) / 64, sections, list,
                 grouped_channels<T>{kernels_for<T>(isa_of(exec)), w}, finish);
}

// The largest batch whose sums stay in the caches: larger ones have hardly a channel that is dead
// in all tokens, and go through the tiled product.
inline constexpr std::size_t skipping_batch = 16;

// A batch of 2 to skipping_batch tokens: a channel dead in all of them is not read, one alive in
// some is multiplied with zeros for the others.
template <host_executor E, storage_scalar T, class S>
void channel_batch_product(E& exec, const grouped_weight<T>& w, const cover<S>& sections,
                           matrix_view<const float> x, matrix_view<float> y) {
  const kernel_table<T>& kernels = kernels_for<T>(isa_of(exec));
  const summation_parts parts = summation_of(w.shape.inputs);
  const task_grid grid(exec.concurrency(), parts.count, (w.groups() + 63) / 64);
  const std::size_t tasks = grid.tasks(), tokens = x.rows();
  const std::size_t width = sections.batch_stride();
  const std::size_t capacity = parts.count * parts.length;

  scratch_layout layout;
  const std::size_t sums_at = layout.reserve<float>(parts.count * tokens * width);
  const std::size_t index_at = layout.reserve<std::uint32_t>(tasks * capacity);
  const std::size_t live_at = layout.reserve<std::uint8_t>(tasks * capacity);
  const std::size_t kept_at = layout.reserve<float>(tasks * tokens * capacity);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const sums = at<float>(scratch, sums_at);

  exec.parallel_for(tasks, [&](std::size_t task) {
    std::uint32_t* const index = at<std::uint32_t>(scratch, index_at) + task * capacity;
    std::uint8_t* const live = at<std::uint8_t>(scratch, live_at) + task * capacity;
    float* const kept = at<float>(scratch, kept_at) + task * tokens * capacity;
    const group_range mine = share(parts.count, grid.split(task), grid.splits);
    const std::size_t first = parts.begin(mine.first), last = parts.end(mine.last - 1);
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section<S>& section = sections[s];
      const std::size_t groups = section.groups.last - section.groups.first;
      const group_range run = share(groups, grid.run(task), grid.runs);
      if (run.first == run.last) continue;
      std::fill(live, live + (last - first), std::uint8_t{0});
      for (std::size_t t = 0; t < tokens; ++t) {
        float* const row = kept + t * capacity;
        mask(section.keep, x.row(t), first, last, row);
        for (std::size_t c = 0; c < last - first; ++c)
          live[c] = static_cast<std::uint8_t>(live[c] | (row[c] != 0.0f ? 1 : 0));
      }
      std::size_t total = 0;
      std::size_t counts[8];
      for (std::size_t p = mine.first; p < mine.last; ++p) {
        const std::size_t before = total;
        for (std::size_t c = parts.begin(p); c < parts.end(p); ++c) {
          index[total] = static_cast<std::uint32_t>(c);
          total += live[c - first];
        }
        counts[p] = total - before;
      }
      std::size_t done = 0;
      for (std::size_t p = mine.first; p < mine.last; ++p) {
        // kept is counted from the task's first channel.
        const matrix_view<const float> part(kept, tokens, last - first, capacity);
        kernels.channel_batch(
            w, {section.groups.first + run.first, section.groups.first + run.last},
            {index + done, counts[p], total - done, first}, part,
            sums + p * tokens * width + section.at + run.first * group_outputs, width);
        done += counts[p];
      }
    }
  });
  exec.parallel_for(tokens, [&](std::size_t t) {
    sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
      kernels.add_parts(sums + t * width + at, tokens * width, parts.count, n, &y(t, o));
    });
  });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
