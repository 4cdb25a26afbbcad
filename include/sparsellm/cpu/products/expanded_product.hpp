// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Large batches of N:M weights: 32 outputs at a time are expanded into bricks, which the tiled
// product of a dense weight multiplies. Several strips are expanded at a time, because every call
// of it reads all of X, and rounds it where it does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/brick.hpp"
#include "sparsellm/cpu/kernels/nm_table.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/products/batch_input.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Scratch of one task, in floats from its beginning: a tile of the dense product, bricks, and sums
// where sections keep them apart.
struct expanded_layout {
  std::size_t at_once;  // strips
  std::size_t bricks_at, sums_at, floats;
};

template <class T>
[[nodiscard]] expanded_layout lay_out_expanded(std::size_t inputs, std::size_t tokens,
                                               std::size_t kernel_floats,
                                               std::size_t strips_per_task, bool apart) noexcept {
  const auto lines = [](std::size_t bytes) { return (bytes + 63) / 64 * 16; };
  const std::size_t strip_bytes = inputs * brick_outputs * sizeof(typename expanded<T>::type);
  expanded_layout out{};
  out.at_once =
      std::clamp<std::size_t>(nm_tuning::expanded_bytes / strip_bytes, 1, strips_per_task);
  out.bricks_at = lines(kernel_floats * sizeof(float));
  out.sums_at = out.bricks_at + lines(out.at_once * strip_bytes);
  out.floats = out.sums_at + (apart ? tokens * out.at_once * brick_outputs : 0);
  return out;
}

// expand(strips, bricks): bricks [number of strips][inputs][32], as a panel has them.
template <class W, class Expand>
void expanded_product(const executor_ref& exec, const W& w, const Expand& expand,
                      const cover& sections, const token_inputs& x, std::size_t tokens,
                      matrix_view<float> y) {
  using T = typename W::element;
  using brick = typename expanded<T>::type;
  const brick_table<brick>& kernels = brick_kernels<brick>(exec.isa);
  const std::size_t inputs = w.shape.inputs, strips = brick_strips(w.shape.outputs);
  const std::size_t tasks = std::min<std::size_t>(strips, exec.concurrency());
  const bool apart = !sections.whole();
  const expanded_layout memory = lay_out_expanded<T>(
      inputs, tokens, batch_scratch(kernels, inputs, tokens), (strips + tasks - 1) / tasks, apart);
  const std::size_t at_once = memory.at_once;

  // Strips [s, s + n), expanded: for each section its outputs.
  const auto multiply_some = [&](float* mine, std::size_t s, std::size_t n,
                                 const batch_input<brick>& input) {
    const std::size_t first = s * brick_outputs;
    const std::size_t count = std::min(n * brick_outputs, w.shape.outputs - first);
    const brick_weight<brick> some{reinterpret_cast<const brick*>(mine + memory.bricks_at),
                                   {count, inputs},
                                   inputs * brick_outputs,
                                   brick_outputs};
    for (std::size_t i = 0; i < sections.size(); ++i) {
      const std::size_t from = std::max(first, sections[i].first);
      const std::size_t end = std::min(first + count, sections[i].last);
      if (from >= end) continue;
      const matrix_view<float> out =
          apart ? matrix_view<float>(mine + memory.sums_at, tokens, count, at_once * brick_outputs)
                : matrix_view<float>(&y(0, first), tokens, count, y.stride());
      input.multiply(some, {0, n}, i, out, mine);
      if (!apart && w.scales == nullptr) continue;
      for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t o = from; o < end; ++o)
          y(t, o) = out(t, o - first) * (w.scales != nullptr ? w.scales[o] : 1.0f);
    }
  };

  with_batch(exec, kernels, sections, x, tokens, inputs, tasks * memory.floats,
             [&](const batch_input<brick>& input, float* scratch) {
               exec.parallel_for(tasks, [&](std::size_t task) {
                 float* const mine = scratch + task * memory.floats;
                 auto* const to = reinterpret_cast<brick*>(mine + memory.bricks_at);
                 const index_range my = share(strips, task, tasks);
                 for (std::size_t s = my.first; s < my.last; s += at_once) {
                   const std::size_t n = std::min(at_once, my.last - s);
                   expand({s, s + n}, to);
                   multiply_some(mine, s, n, input);
                 }
               });
             });
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
