// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of quantised weights. A panel is cut by outputs; channel_major by input blocks for small
// batches, whose live rows are read as long runs, and by outputs for larger ones.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/channel_product.hpp"
#include "sparsellm/cpu/cover.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/quantized_table.hpp"
#include "sparsellm/cpu/selection.hpp"
#include "sparsellm/cpu/tasks.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/layout.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// The arrays of rounded activations in an executor's scratch.
class rounded_layout {
 public:
  rounded_layout() = default;
  rounded_layout(scratch_layout& layout, std::size_t tokens, std::size_t blocks, std::size_t group)
      : tokens_(tokens),
        blocks_(blocks),
        slots_(group / 4),
        count_(layout.reserve<std::uint8_t>(blocks)),
        channel_(layout.reserve<std::uint8_t>(blocks * group)),
        word_(layout.reserve<std::uint32_t>(tokens * blocks * slots_ * 2)),
        scale_(layout.reserve<float>(tokens * blocks)),
        sum_(layout.reserve<std::int32_t>(tokens * blocks)) {}

  [[nodiscard]] quantized_activations in(std::byte* scratch) const noexcept {
    return {tokens_,
            blocks_,
            slots_,
            at<std::uint8_t>(scratch, count_),
            at<std::uint8_t>(scratch, channel_),
            at<std::uint32_t>(scratch, word_),
            at<float>(scratch, scale_),
            at<std::int32_t>(scratch, sum_)};
  }

 private:
  std::size_t tokens_ = 0, blocks_ = 0, slots_ = 0;
  std::size_t count_ = 0, channel_ = 0, word_ = 0, scale_ = 0, sum_ = 0;
};

// Strips [g, ..) of w as a weight of their own, of at most `outputs` outputs.
template <int Bits, bool Affine>
[[nodiscard]] quantized_weight<Bits, Affine> from_strip(const quantized_weight<Bits, Affine>& w,
                                                        std::size_t g,
                                                        std::size_t outputs) noexcept {
  quantized_weight<Bits, Affine> part = w;
  part.data += g * w.scale_stride;
  part.rows_at += g * w.strip_stride - g * w.scale_stride;
  part.shape.outputs = std::min(outputs, w.shape.outputs - g * strip_outputs<Bits>);
  return part;
}

// Y [tokens, outputs] = W · what each section keeps of X; row(t): token t's input, anything that
// mask() takes.
template <host_executor E, int Bits, bool Affine, class S, class Row>
void quantized_product(E& exec, const quantized_weight<Bits, Affine>& w, layout where,
                       const cover<S>& sections, std::size_t tokens, const Row& row,
                       matrix_view<float> y) {
  constexpr std::size_t outputs = strip_outputs<Bits>;
  const auto& kernels = quantized_kernels_for<Bits, Affine>(isa_of(exec));
  const summation_parts parts = summation_of(w.shape.inputs, w.group);
  const std::size_t blocks = w.blocks(), width = sections.batch_stride();
  const bool panel = where == layout::panel && tokens == 1;
  const bool by_strips = !panel && (where == layout::panel || tokens > skipping_batch);
  const bool apart = sections.size() != 1;
  const task_grid grid(exec.concurrency(), parts.count, w.strips() * strip_bytes / 2048);
  const std::size_t strip_tasks = std::min<std::size_t>(w.strips(), exec.concurrency());

  scratch_layout layout;
  std::array<rounded_layout, stacked<S>::most> rounded_at;
  for (std::size_t s = 0; s < sections.size(); ++s)
    rounded_at[s] = rounded_layout(layout, tokens, blocks, w.group);
  const std::size_t kept_at = layout.reserve<float>(tokens * w.shape.inputs);
  const std::size_t sums_at = layout.reserve<float>(by_strips ? (apart ? tokens * width : 0)
                                                              : parts.count * tokens * width);
  const std::size_t strip_at =
      layout.reserve<float>(by_strips ? strip_tasks * 2 * tokens * outputs : 0);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const kept = at<float>(scratch, kept_at);
  float* const sums = at<float>(scratch, sums_at);

  // Rounds the blocks of a range of channels for section s; ranges do not meet.
  const auto round = [&](std::size_t s, block_range range) {
    const std::size_t first = range.first * w.group;
    const std::size_t last = std::min(range.last * w.group, w.shape.inputs);
    for (std::size_t t = 0; t < tokens; ++t)
      mask(sections[s].keep, row(t), first, last, kept + t * w.shape.inputs + first);
    kernels.round(matrix_view<const float>(kept, tokens, w.shape.inputs), w.group, range,
                  where == layout::panel, rounded_at[s].in(scratch));
  };
  const auto round_all = [&] {
    const std::size_t tasks = std::min<std::size_t>(blocks, exec.concurrency());
    exec.parallel_for(tasks, [&](std::size_t t) {
      const group_range mine = share(blocks, t, tasks);
      for (std::size_t s = 0; s < sections.size(); ++s) round(s, {mine.first, mine.last});
    });
  };
  const auto part_of = [&](const covered_section<S>& section) {
    return from_strip(w, section.groups.first,
                      (section.groups.last - section.groups.first) * outputs);
  };

  if (by_strips) {
    round_all();
    exec.parallel_for(strip_tasks, [&](std::size_t t) {
      for (std::size_t s = 0; s < sections.size(); ++s) {
        const covered_section<S>& section = sections[s];
        const auto part = part_of(section);
        kernels.strips(
            part, share(part.strips(), t, strip_tasks), parts, rounded_at[s].in(scratch),
            apart ? matrix_view<float>(sums + section.at, tokens, part.shape.outputs, width) : y,
            at<float>(scratch, strip_at) + t * 2 * tokens * outputs);
      }
    });
    if (!apart) return;
  } else if (panel) {  // by strips and parts: a few strips alone would not divide evenly
    round_all();
    const std::size_t tasks = exec.concurrency();
    exec.parallel_for(tasks, [&](std::size_t t) {
      for (std::size_t s = 0; s < sections.size(); ++s) {
        const auto part = part_of(sections[s]);
        kernels.panel(part, share(part.strips() * parts.count, t, tasks), parts,
                      rounded_at[s].in(scratch), sums + sections[s].at, width);
      }
    });
  } else {
    const auto block_of = [&](std::size_t channel) { return (channel + w.group - 1) / w.group; };
    const auto blocks_of = [&](std::size_t split) -> block_range {
      const group_range mine = share(parts.count, split, grid.splits);
      return {block_of(parts.begin(mine.first)), block_of(parts.end(mine.last - 1))};
    };
    // Tasks that share a range of channels would round it twice: then rounding is a step before.
    if (grid.runs != 1)
      exec.parallel_for(grid.splits, [&](std::size_t split) {
        for (std::size_t s = 0; s < sections.size(); ++s) round(s, blocks_of(split));
      });
    exec.parallel_for(grid.tasks(), [&](std::size_t task) {
      const block_range mine = blocks_of(grid.split(task));
      const group_range my_parts = share(parts.count, grid.split(task), grid.splits);
      for (std::size_t s = 0; s < sections.size(); ++s) {
        if (grid.runs == 1) round(s, mine);
        const auto part = part_of(sections[s]);
        for (std::size_t p = my_parts.first; p < my_parts.last; ++p)
          kernels.blocks(part, share(part.strips(), grid.run(task), grid.runs),
                         {block_of(parts.begin(p)), block_of(parts.end(p))}, mine.last,
                         rounded_at[s].in(scratch), sums + p * tokens * width + sections[s].at,
                         width);
      }
    });
  }

  const auto& add_parts = kernels_for<float>(isa_of(exec)).add_parts;
  const std::size_t added = by_strips ? 1 : parts.count;
  const std::size_t adding = tokens * added * width > 16384 ? exec.concurrency() : 1;
  exec.parallel_for(adding, [&](std::size_t task) {
    const group_range mine = share(w.shape.outputs, task, adding);
    for (std::size_t t = 0; t < tokens; ++t)
      sections.runs(mine.first, mine.last, [&](std::size_t o, std::size_t n, std::size_t at) {
        add_parts(sums + t * width + at, tokens * width, added, n, &y(t, o));
      });
  });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
