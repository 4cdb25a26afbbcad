// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of quantised weights. A panel is cut by strips of outputs; channel_major by blocks of
// inputs for small batches, whose active channels are read as long runs, and by strips for larger
// ones.
#pragma once

#include <cstddef>

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/pack/layout_kind.hpp"
#include "sparsellm/pack/quantized_weight.hpp"

namespace SPARSELLM_PRODUCTS {

// W: quantized_weight or super_block_weight.
// Y [tokens, outputs] = W · what each section keeps of X, outputs that no section covers left
// alone.
template <class W>
void quantized_product(const executor_ref& exec, const W& w, layout_kind layout, const selection& s,
                       const token_inputs& x, std::size_t tokens, matrix_view<float> y);

}  // namespace SPARSELLM_PRODUCTS

#if SPARSELLM_DEFINES_PRODUCTS

#include <algorithm>
#include <cstdint>

#include "sparsellm/cpu/kernels/quantized.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/kernels/vector.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/rounded_input.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/multiply/summation.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// The steps of a product and what they share: X is rounded, then multiplied in one of three ways,
// then the parts of the sums are added.
template <class W>
struct quantized_steps {
  static constexpr std::size_t outputs = strip_outputs<W::bits>;
  using weight = W;

  const executor_ref& exec;
  const quantized_table<W>& kernels;
  const weight& w;
  const cover& sections;
  const rounded_input& rounded;
  summation_parts parts;
  std::size_t tokens;
  matrix_view<float> y;
  float* sums;  // [parts][tokens][width], when the outputs are not stored at once
  std::size_t width;

  // The strips of section s.
  [[nodiscard]] weight strips_of(std::size_t s) const noexcept {
    return w.from_strip(sections[s].strips.first, sections[s].strip_count() * outputs);
  }
  [[nodiscard]] std::size_t block_of(std::size_t channel) const noexcept {
    return (channel + w.block_channels - 1) / w.block_channels;
  }
  void round(std::size_t s, index_range blocks) const {
    kernels.round(rounded.kept(s, blocks), w.block_channels, blocks, rounded.every_channel(),
                  rounded[s]);
  }
  void round_all() const {
    const std::size_t tasks = std::min<std::size_t>(w.blocks(), exec.concurrency());
    exec.parallel_for(tasks, [&](std::size_t t) {
      for (std::size_t s = 0; s < sections.size(); ++s) round(s, share(w.blocks(), t, tasks));
    });
  }

  // Every task multiplies some strips of all blocks, straight to Y where there is one section;
  // `scratch` holds strips_scratch() floats per task.
  void by_strips(std::size_t tasks, float* scratch) const {
    round_all();
    const bool apart = !sections.whole();
    exec.parallel_for(tasks, [&](std::size_t t) {
      for (std::size_t s = 0; s < sections.size(); ++s) {
        const weight strips = strips_of(s);
        kernels.strips(
            strips, share(strips.strips(), t, tasks), parts, rounded[s],
            apart ? matrix_view<float>(sums + sections[s].at, tokens, strips.shape.outputs, width)
                  : y,
            scratch + t * strips_scratch<W::bits>(tokens));
      }
    });
  }

  // A panel and one token: tasks share pairs of a strip and a part, because a few strips alone
  // would not divide evenly.
  void by_strip_parts() const {
    round_all();
    const std::size_t tasks = exec.concurrency();
    exec.parallel_for(tasks, [&](std::size_t t) {
      for (std::size_t s = 0; s < sections.size(); ++s) {
        const weight strips = strips_of(s);
        kernels.panel(strips, share(strips.strips() * parts.count, t, tasks), parts, rounded[s],
                      sums + sections[s].at, width);
      }
    });
  }

  // Every task multiplies some parts of the channels, and where there are more threads than parts a
  // run of the strips.
  void by_blocks() const {
    const task_grid grid(exec.concurrency(), parts.count,
                         w.strips() * strip_bytes / quantized_tuning::run_bytes);
    const auto blocks_of = [&](std::size_t split) -> index_range {
      const index_range mine = share(parts.count, split, grid.splits);
      return {block_of(parts.begin(mine.first)), block_of(parts.end(mine.last - 1))};
    };
    // Tasks that share a range of channels would round it twice: then rounding is a step before.
    if (grid.runs != 1)
      exec.parallel_for(grid.splits, [&](std::size_t split) {
        for (std::size_t s = 0; s < sections.size(); ++s) round(s, blocks_of(split));
      });
    exec.parallel_for(grid.tasks(), [&](std::size_t task) {
      const index_range mine = blocks_of(grid.split(task));
      const index_range my_parts = share(parts.count, grid.split(task), grid.splits);
      for (std::size_t s = 0; s < sections.size(); ++s) {
        if (grid.runs == 1) round(s, mine);
        const weight strips = strips_of(s);
        for (std::size_t p = my_parts.first; p < my_parts.last; ++p)
          kernels.blocks(strips, share(strips.strips(), grid.run(task), grid.runs),
                         {block_of(parts.begin(p)), block_of(parts.end(p))}, mine.last, rounded[s],
                         sums + p * tokens * width + sections[s].at, width);
      }
    });
  }

  void add_parts(std::size_t count) const {
    const vector_table& vectors = vector_kernels(exec.isa);
    const bool fork = tokens * count * width > vector_tuning::serial_sums;
    const std::size_t tasks = fork ? exec.concurrency() : 1;
    exec.parallel_for(tasks, [&](std::size_t task) {
      const index_range mine = share(w.shape.outputs, task, tasks);
      for (std::size_t t = 0; t < tokens; ++t)
        sections.runs(mine.first, mine.last, [&](std::size_t o, std::size_t n, std::size_t at) {
          vectors.add_parts(sums + t * width + at, tokens * width, count, n, &y(t, o));
        });
    });
  }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace SPARSELLM_PRODUCTS {

template <class W>
void quantized_product(const executor_ref& exec, const W& w, layout_kind layout, const selection& s,
                       const token_inputs& x, std::size_t tokens, matrix_view<float> y) {
  const cover sections(s, strip_outputs<W::bits>, w.shape.outputs);
  const summation_parts parts = summation_of(w.shape.inputs, w.block_channels);
  const bool panel = layout == layout_kind::panel;
  const bool by_strips = panel ? tokens != 1 : tokens > quantized_tuning::skipping_batch;
  const std::size_t width = sections.batch_stride(), count = by_strips ? 1 : parts.count;
  const bool stored = by_strips && sections.whole();
  const std::size_t strip_tasks =
      by_strips ? std::min<std::size_t>(w.strips(), exec.concurrency()) : 0;

  scratch_layout memory;
  rounded_input rounded(memory, sections, x, tokens, w.shape.inputs, w.block_channels, panel);
  const std::size_t sums_at = memory.reserve<float>(stored ? 0 : count * tokens * width);
  const std::size_t strip_at = memory.reserve<float>(strip_tasks * strips_scratch<W::bits>(tokens));
  std::byte* const scratch = exec.scratch(memory.bytes());
  rounded.use(scratch);
  const quantized_steps<W> steps{
      exec, quantized_kernels<W>(exec.isa), w,    sections, rounded, parts, tokens,
      y,    at<float>(scratch, sums_at),    width};

  if (by_strips)
    steps.by_strips(strip_tasks, at<float>(scratch, strip_at));
  else if (panel)
    steps.by_strip_parts();
  else
    steps.by_blocks();
  if (!stored) steps.add_parts(count);
}

}  // namespace SPARSELLM_PRODUCTS

#endif
