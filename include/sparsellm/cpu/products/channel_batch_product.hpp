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

// The channels that some token of a batch keeps, of every section and part, and what each token has
// of them.
class batch_lists {
 public:
  // Reserves what `layout` will hold.
  batch_lists(scratch_layout& layout, const cover& sections, const summation_parts& parts,
              std::size_t tokens, std::size_t tasks) noexcept
      : sections_(sections), parts_(parts), tokens_(tokens) {
    const std::size_t channels = sections.size() * parts.inputs;
    index_at_ = layout.reserve<std::uint32_t>(channels);
    value_at_ = layout.reserve<float>(channels * tokens);
    count_at_ = layout.reserve<std::size_t>(sections.size() * parts.count);
    rows_at_ = layout.reserve<float>(tasks * tokens * block);
  }
  void use(std::byte* scratch) noexcept { scratch_ = scratch; }

  // Lists part p of section s; two that are listed at the same time have different `task`s.
  void list(std::size_t s, std::size_t p, const token_inputs& x, std::size_t task) const {
    float* const rows = at<float>(scratch_, rows_at_) + task * tokens_ * block;
    std::uint32_t* const index = this->index(s, p);
    float* value = this->value(s, p);
    std::size_t count = 0;
    for (std::size_t first = parts_.begin(p); first < parts_.end(p); first += block) {
      const std::size_t last = std::min(first + block, parts_.end(p));
      bool active[block] = {};
      for (std::size_t t = 0; t < tokens_; ++t) {
        float* const row = rows + t * block;
        sections_.zero(s, x[t], first, last, row);
        for (std::size_t c = 0; c < last - first; ++c) active[c] |= row[c] != 0.0f;
      }
      for (std::size_t c = 0; c < last - first; ++c) {
        if (!active[c]) continue;
        index[count++] = static_cast<std::uint32_t>(first + c);
        for (std::size_t t = 0; t < tokens_; ++t) *value++ = rows[t * block + c];
      }
    }
    this->count(s, p) = count;
  }

  // Part p of section s, what follows in its next part, and x [channels][tokens].
  [[nodiscard]] active_channels operator()(std::size_t s, std::size_t p) const noexcept {
    const bool more = p + 1 < parts_.count;
    return {index(s, p), count(s, p), more ? index(s, p + 1) : nullptr,
            more ? count(s, p + 1) : 0};
  }
  [[nodiscard]] float* value(std::size_t s, std::size_t p) const noexcept {
    return at<float>(scratch_, value_at_) + (s * parts_.inputs + parts_.begin(p)) * tokens_;
  }

 private:
  static constexpr std::size_t block = 64;  // channels at a time, whose rows stay in L1

  [[nodiscard]] std::uint32_t* index(std::size_t s, std::size_t p) const noexcept {
    return at<std::uint32_t>(scratch_, index_at_) + s * parts_.inputs + parts_.begin(p);
  }
  [[nodiscard]] std::size_t& count(std::size_t s, std::size_t p) const noexcept {
    return at<std::size_t>(scratch_, count_at_)[s * parts_.count + p];
  }

  const cover& sections_;
  const summation_parts& parts_;
  std::size_t tokens_, index_at_, value_at_, count_at_, rows_at_;
  std::byte* scratch_ = nullptr;
};

// The outputs that section i has of `strips`, and where they begin in sums of those strips.
template <class Body>
void stored_outputs(const cover& sections, std::size_t i, index_range strips, const Body& body) {
  const std::size_t begin = strips.first * brick_outputs;
  const std::size_t from = std::max(sections[i].first, begin);
  const std::size_t to = std::min(sections[i].last, strips.last * brick_outputs);
  body(from, to - from, from - begin);
}

// For 1 to brick_tuning::skipping_batch tokens. A task takes some strips and some parts. Where it
// has all parts of its strips it adds them as it goes, a few strips at a time, in what the caches
// hold; where several tasks share them their sums are added at the end.
template <storage_scalar T>
void channel_batch_product(const executor_ref& exec, const brick_weight<T>& w,
                           const cover& sections, const token_inputs& x, std::size_t tokens,
                           matrix_view<float> y) {
  const brick_table<T>& kernels = brick_kernels<T>(exec.isa);
  const vector_table& vectors = vector_kernels(exec.isa);
  const summation_parts parts = summation_of(w.shape.inputs);
  constexpr std::size_t some = brick_tuning::batch_strips<T>;
  const task_grid grid = task_grid::by_runs(exec.concurrency(), parts.count,
                                            w.strips() / brick_tuning::shortest_batch_run);
  const bool folds = grid.splits == 1;
  const std::size_t tasks = grid.tasks(), listers = std::min(parts.count, exec.concurrency());
  // Sums of one token after the other's, as cover::batch_stride() says.
  const std::size_t width = folds ? some * brick_outputs + 16 : sections.batch_stride();
  const std::size_t part_floats = tokens * width;

  scratch_layout layout;
  batch_lists lists(layout, sections, parts, tokens, listers);
  const std::size_t sums_at =
      layout.reserve<float>((folds ? tasks * 2 : parts.count) * part_floats);
  std::byte* const scratch = exec.scratch(layout.bytes());
  lists.use(scratch);

  exec.parallel_for(listers, [&](std::size_t task) {
    const index_range mine = share(parts.count, task, listers);
    for (std::size_t s = 0; s < sections.size(); ++s)
      for (std::size_t p = mine.first; p < mine.last; ++p) lists.list(s, p, x, task);
  });
  exec.parallel_for(tasks, [&](std::size_t task) {
    const index_range mine = share(parts.count, grid.split(task), grid.splits);
    float* const sums = at<float>(scratch, sums_at) + (folds ? task * 2 * part_floats : 0);
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section& section = sections[s];
      const index_range run = share(section.strip_count(), grid.run(task), grid.runs);
      for (std::size_t g = run.first; g < run.last; g += some) {
        const std::size_t g_end = std::min(g + some, run.last), n = (g_end - g) * brick_outputs;
        const index_range strips{section.strips.first + g, section.strips.first + g_end};
        for (std::size_t p = mine.first; p < mine.last; ++p) {
          float* const to = !folds  ? sums + p * part_floats + section.at + g * brick_outputs
                            : p == 0 ? sums
                                     : sums + part_floats;
          kernels.channel_batch(w, strips, lists(s, p), lists.value(s, p), tokens, to, width);
          if (folds && p != 0)
            for (std::size_t t = 0; t < tokens; ++t)
              vectors.add_parts(sums + t * width, part_floats, 2, n, sums + t * width);
        }
        if (folds)
          stored_outputs(sections, s, strips, [&](std::size_t o, std::size_t n, std::size_t at) {
            for (std::size_t t = 0; t < tokens; ++t)
              std::copy_n(sums + t * width + at, n, &y(t, o));
          });
      }
    }
  });
  if (folds) return;
  const float* const sums = at<float>(scratch, sums_at);
  exec.parallel_for(tokens, [&](std::size_t t) {
    sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
      vectors.add_parts(sums + t * width + at, part_floats, parts.count, n, &y(t, o));
    });
  });
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
