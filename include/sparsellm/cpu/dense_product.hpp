// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products that read every channel: panels, and any batch too large to skip in. Threads split
// outputs. What a sparsifier skips is multiplied as zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/cover.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/kernel_table.hpp"
#include "sparsellm/cpu/selection.hpp"
#include "sparsellm/cpu/tasks.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// Groups [g, ..) of w as a weight of their own, of at most `outputs` outputs.
template <storage_scalar T>
[[nodiscard]] grouped_weight<T> from_group(const grouped_weight<T>& w, std::size_t g,
                                           std::size_t outputs) noexcept {
  grouped_weight<T> part = w;
  part.data = w.brick(g, 0);
  part.shape.outputs = std::min(outputs, w.shape.outputs - g * group_outputs);
  return part;
}

// One token that needs no list: y of all outputs.
template <host_executor E, storage_scalar T>
void panel_product(E& exec, const grouped_weight<T>& w, const float* x, float* y) {
  const kernel_table<T>& kernels = kernels_for<T>(isa_of(exec));
  const std::size_t tasks = std::min<std::size_t>(w.groups(), exec.concurrency());
  exec.parallel_for(
      tasks, [&](std::size_t t) { kernels.dense_gemv(w, share(w.groups(), t, tasks), x, y); });
}

// X with zeros where a section skips: [sections][tokens][inputs]. row(t): token t's input, anything
// that mask() takes. body(kept, extra): kept(s) is section s's [tokens, inputs].
template <host_executor E, class S, class Row, class Body>
void with_masked(E& exec, const cover<S>& sections, extents batch, const Row& row,
                 std::size_t extra_floats, const Body& body) {
  const std::size_t tokens = batch.outputs, inputs = batch.inputs;
  scratch_layout layout;
  const std::size_t extra_at = layout.reserve<float>(extra_floats);
  const std::size_t masked_at = layout.reserve<float>(sections.size() * tokens * inputs);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const masked = at<float>(scratch, masked_at);
  exec.parallel_for(tokens, [&](std::size_t t) {
    for (std::size_t s = 0; s < sections.size(); ++s)
      mask(sections[s].keep, row(t), 0, inputs, masked + (s * tokens + t) * inputs);
  });
  body(
      [&](std::size_t s) {
        return matrix_view<const float>(masked + s * tokens * inputs, tokens, inputs);
      },
      at<float>(scratch, extra_at));
}

// X itself when every channel is kept.
template <host_executor E, class S, class Body>
void with_masked(E& exec, const cover<S>& sections, matrix_view<const float> x,
                 std::size_t extra_floats, const Body& body) {
  if constexpr (std::is_same_v<S, keep_all>) {
    scratch_layout layout;
    const std::size_t extra_at = layout.reserve<float>(extra_floats);
    std::byte* const scratch = exec.scratch(layout.bytes());
    body([&](std::size_t) { return x; }, at<float>(scratch, extra_at));
  } else {
    with_masked(
        exec, sections, {x.rows(), x.cols()}, [&](std::size_t t) { return x.row(t); }, extra_floats,
        body);
  }
}

// Panels, one token: every section with its own x, sums of shared groups kept apart.
template <host_executor E, storage_scalar T, class S, class X>
void panel_sections(E& exec, const grouped_weight<T>& w, const cover<S>& sections, const X& x,
                    float* y) {
  const auto body = [&](const auto& kept, float* sums) {
    if (sections.size() == 1) return panel_product(exec, w, kept(0).data(), y);
    const kernel_table<T>& kernels = kernels_for<T>(isa_of(exec));
    const std::size_t tasks = exec.concurrency();
    exec.parallel_for(tasks, [&](std::size_t t) {
      for (std::size_t s = 0; s < sections.size(); ++s) {
        const covered_section<S>& section = sections[s];
        const std::size_t groups = section.groups.last - section.groups.first;
        kernels.dense_gemv(from_group(w, section.groups.first, groups * group_outputs),
                           share(groups, t, tasks), kept(s).data(), sums + section.at);
      }
    });
    sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
      std::copy_n(sums + at, n, y + o);
    });
  };
  if constexpr (std::is_same_v<X, vector_view<const float>>)
    with_masked(exec, sections, matrix_view<const float>(x.data(), 1, x.size()), sections.width(),
                body);
  else
    with_masked(
        exec, sections, {1, w.shape.inputs}, [&](std::size_t) -> const X& { return x; },
        sections.width(), body);
}

// Batches, tiled. A section whose borders cut groups goes through a copy.
template <host_executor E, storage_scalar T, class S>
void tiled_product(E& exec, const grouped_weight<T>& w, const cover<S>& sections,
                   matrix_view<const float> x, matrix_view<float> y) {
  const kernel_table<T>& kernels = kernels_for<T>(isa_of(exec));
  const std::size_t tasks = std::min<std::size_t>(w.groups(), exec.concurrency());
  const std::size_t per_task = (gemm_scratch(w.shape.inputs, x.rows()) + 15) / 16 * 16;
  const bool apart = sections.size() != 1;
  const std::size_t sums_at = tasks * per_task;
  const std::size_t width = sections.width();
  with_masked(
      exec, sections, x, sums_at + (apart ? x.rows() * width : 0),
      [&](const auto& kept, float* scratch) {
        float* const sums = scratch + sums_at;
        exec.parallel_for(tasks, [&](std::size_t t) {
          for (std::size_t s = 0; s < sections.size(); ++s) {
            const covered_section<S>& section = sections[s];
            const std::size_t groups = section.groups.last - section.groups.first;
            const auto part = from_group(w, section.groups.first, groups * group_outputs);
            kernels.gemm(
                part, share(groups, t, tasks), kept(s),
                apart ? matrix_view<float>(sums + section.at, x.rows(), part.shape.outputs, width)
                      : y,
                scratch + t * per_task);
          }
        });
        if (!apart) return;
        exec.parallel_for(x.rows(), [&](std::size_t t) {
          sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
            std::copy_n(sums + t * width + at, n, &y(t, o));
          });
        });
      });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
