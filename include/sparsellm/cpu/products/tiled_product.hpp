// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of bricks that read every channel: panels, and batches too large to skip in. Threads
// split outputs. What a sparsifier skips is multiplied as zero.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/kernels/brick.hpp"
#include "sparsellm/cpu/products/batch_input.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/cpu/products/zeroed_input.hpp"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Strips [s, ..) of w as a weight of their own, of at most `outputs` outputs.
template <storage_scalar T>
[[nodiscard]] brick_weight<T> from_strip(const brick_weight<T>& w, std::size_t s,
                                         std::size_t outputs) noexcept {
  brick_weight<T> strips = w;
  strips.data = w.brick(s, 0);
  strips.shape.outputs = std::min(outputs, w.shape.outputs - s * brick_outputs);
  return strips;
}

// Panels, one token: every section with its own x, sums of shared strips kept apart.
template <storage_scalar T>
void panel_product(const executor_ref& exec, const brick_weight<T>& w, const cover& sections,
                   const token_inputs& x, float* y) {
  const brick_table<T>& kernels = brick_kernels<T>(exec.isa);
  with_zeroed(
      exec, sections, x, 1, w.shape.inputs, sections.width(), [&](const auto& kept, float* sums) {
        if (sections.whole()) {
          const std::size_t tasks = std::min<std::size_t>(w.strips(), exec.concurrency());
          exec.parallel_for(tasks, [&](std::size_t t) {
            kernels.dense_gemv(w, share(w.strips(), t, tasks), kept(0).data(), y);
          });
          return;
        }
        const std::size_t tasks = exec.concurrency();
        exec.parallel_for(tasks, [&](std::size_t t) {
          for (std::size_t s = 0; s < sections.size(); ++s) {
            const covered_section& section = sections[s];
            kernels.dense_gemv(
                from_strip(w, section.strips.first, section.strip_count() * brick_outputs),
                share(section.strip_count(), t, tasks), kept(s).data(), sums + section.at);
          }
        });
        sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
          std::copy_n(sums + at, n, y + o);
        });
      });
}

// Batches. A section whose borders cut strips goes through a copy.
template <storage_scalar T>
void tiled_product(const executor_ref& exec, const brick_weight<T>& w, const cover& sections,
                   const token_inputs& x, std::size_t tokens, matrix_view<float> y) {
  const brick_table<T>& kernels = brick_kernels<T>(exec.isa);
  const std::size_t tasks = std::min<std::size_t>(w.strips(), exec.concurrency());
  const std::size_t per_task = (batch_scratch(kernels, w.shape.inputs, tokens) + 15) / 16 * 16;
  const bool apart = !sections.whole();
  const std::size_t sums_at = tasks * per_task, width = sections.width();
  with_batch(
      exec, kernels, sections, x, tokens, w.shape.inputs, sums_at + (apart ? tokens * width : 0),
      [&](const batch_input<T>& input, float* scratch) {
        float* const sums = scratch + sums_at;
        exec.parallel_for(tasks, [&](std::size_t t) {
          for (std::size_t s = 0; s < sections.size(); ++s) {
            const covered_section& section = sections[s];
            const auto strips =
                from_strip(w, section.strips.first, section.strip_count() * brick_outputs);
            input.multiply(
                strips, share(section.strip_count(), t, tasks), s,
                apart ? matrix_view<float>(sums + section.at, tokens, strips.shape.outputs, width)
                      : y,
                scratch + t * per_task);
          }
        });
        if (!apart) return;
        exec.parallel_for(tokens, [&](std::size_t t) {
          sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
            std::copy_n(sums + t * width + at, n, &y(t, o));
          });
        });
      });
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
