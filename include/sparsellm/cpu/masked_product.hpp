// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of N:M weights. Threads split strips of 8 outputs; a weight is read as one stream. What
// a sparsifier skips is multiplied as zero. Larger batches expand 32 outputs at a time into the
// bricks of a dense weight and run its tiled product.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/cover.hpp"
#include "sparsellm/cpu/dense_product.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/masked_table.hpp"
#include "sparsellm/cpu/selection.hpp"
#include "sparsellm/cpu/tasks.hpp"
#include "sparsellm/pack/masked_weight.hpp"
#include "sparsellm/pack/output_group.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// From this batch on weights are expanded once for all tokens.
inline constexpr std::size_t expanding_batch = 17;

// Y [tokens, outputs] = W · what each section keeps of X; row(t): token t's input, anything that
// mask() takes. For batches below expanding_batch.
template <host_executor E, class T, class S, class Row>
void masked_product(E& exec, const masked_weight<T>& w, const cover<S>& sections,
                    std::size_t tokens, const Row& row, matrix_view<float> y) {
  const masked_table<T>& kernels = masked_kernels_for<T>(isa_of(exec));
  const std::size_t tasks = std::min<std::size_t>(w.strips(), exec.concurrency());
  const std::size_t width = sections.batch_stride(), x_bytes = arranged_bytes(w.blocks());
  scratch_layout layout;
  const std::size_t sums_at = layout.reserve<float>(tokens * width);
  const std::size_t kept_at = layout.reserve<float>(tasks * w.shape.inputs);
  const std::size_t x_at = layout.reserve<std::byte>(tasks * tokens * x_bytes);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const sums = at<float>(scratch, sums_at);
  // Every task arranges x for itself: a microsecond of work, and no second fork.
  exec.parallel_for(tasks, [&](std::size_t task) {
    float* const kept = at<float>(scratch, kept_at) + task * w.shape.inputs;
    std::byte* const x = scratch + x_at + task * tokens * x_bytes;
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section<S>& section = sections[s];
      const group_range mine = share(section.groups.last - section.groups.first, task, tasks);
      if (mine.first == mine.last) continue;
      for (std::size_t t = 0; t < tokens; ++t) {
        mask(section.keep, row(t), 0, w.shape.inputs, kept);
        kernels.arrange(w, kept, x + t * x_bytes);
      }
      kernels.strips(w, {section.groups.first + mine.first, section.groups.first + mine.last}, x,
                     x_bytes, tokens, sums + section.at + mine.first * strip_rows, width);
    }
  });
  for (std::size_t t = 0; t < tokens; ++t)
    sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
      std::copy_n(sums + t * width + at, n, &y(t, o));
    });
}

// Output groups of 32 as bricks, one after the other.
template <class T>
class masked_groups {
 public:
  masked_groups(const masked_weight<T>& w, std::size_t first, const T**) noexcept
      : w_(w), group_(first) {}
  void expand(typename expanded<T>::type* bricks) noexcept { expand_group(w_, group_++, bricks); }

 private:
  const masked_weight<T>& w_;
  std::size_t group_;
};

// The same for large batches, of any weight whose Groups make bricks of it. Several groups at a
// time: every call of the tiled product reads (and where it rounds, rounds) all of X.
template <template <class> class Groups, host_executor E, class W, class S>
void expanded_product(E& exec, const W& w, const cover<S>& sections, matrix_view<const float> x,
                      matrix_view<float> y) {
  using T = typename W::element;
  using brick = typename expanded<T>::type;
  constexpr std::size_t most_bytes = std::size_t{6} << 20;  // of bricks, for them to stay in L3
  const kernel_table<brick>& kernels = kernels_for<brick>(isa_of(exec));
  const std::size_t inputs = w.shape.inputs, groups = groups_of(w.shape.outputs);
  const std::size_t tasks = std::min<std::size_t>(groups, exec.concurrency());
  const std::size_t group_bytes = inputs * group_outputs * sizeof(brick);
  const std::size_t at_once =
      std::clamp<std::size_t>(most_bytes / group_bytes, 1, (groups + tasks - 1) / tasks);
  const auto lines = [](std::size_t bytes) { return (bytes + 63) / 64 * 16; };  // in floats
  const std::size_t tile = lines(gemm_scratch(inputs, x.rows()) * sizeof(float));
  const std::size_t bricks = lines(at_once * group_bytes);
  const std::size_t next = lines(inputs * sizeof(const T*));
  const bool apart = sections.size() != 1;
  const std::size_t per_task =
      tile + bricks + next + (apart ? x.rows() * at_once * group_outputs : 0);
  with_masked(exec, sections, x, tasks * per_task, [&](const auto& kept, float* scratch) {
    exec.parallel_for(tasks, [&](std::size_t task) {
      float* const mine = scratch + task * per_task;
      auto* const to = reinterpret_cast<brick*>(mine + tile);
      float* const sums = mine + tile + bricks + next;
      const group_range my_groups = share(groups, task, tasks);
      Groups<T> source(w, my_groups.first, reinterpret_cast<const T**>(mine + tile + bricks));
      for (std::size_t g = my_groups.first; g < my_groups.last; g += at_once) {
        const std::size_t n = std::min(at_once, my_groups.last - g);
        for (std::size_t i = 0; i < n; ++i) source.expand(to + i * inputs * group_outputs);
        const std::size_t first = g * group_outputs;
        const std::size_t count = std::min(n * group_outputs, w.shape.outputs - first);
        const grouped_weight<brick> some{
            to, {count, inputs}, inputs * group_outputs, group_outputs};
        for (std::size_t s = 0; s < sections.size(); ++s) {
          const std::size_t from = std::max(first, sections[s].first);
          const std::size_t end = std::min(first + count, sections[s].last);
          if (from >= end) continue;
          const matrix_view<float> out =
              apart ? matrix_view<float>(sums, x.rows(), count, at_once * group_outputs)
                    : matrix_view<float>(&y(0, first), x.rows(), count, y.stride());
          kernels.gemm(some, {0, n}, kept(s), out, mine);
          if (!apart && w.scales == nullptr) continue;
          for (std::size_t t = 0; t < x.rows(); ++t)
            for (std::size_t o = from; o < end; ++o)
              y(t, o) = out(t, o - first) * (w.scales != nullptr ? w.scales[o] : 1.0f);
        }
      }
    });
  });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
