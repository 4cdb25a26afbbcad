// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of n_of_m weights. Threads split strips of 8 outputs; a weight is read as one stream.
// What a sparsifier skips is multiplied as zero.
#pragma once

#include <cstddef>

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/pack/nm_weight.hpp"

namespace SPARSELLM_PRODUCTS {

// Y [tokens, outputs] = W · what each section keeps of X, outputs that no section covers left
// alone.
template <class T>
void nm_product(const executor_ref& exec, const nm_weight<T>& w, const selection& s,
                const token_inputs& x, std::size_t tokens, matrix_view<float> y);

}  // namespace SPARSELLM_PRODUCTS

#if SPARSELLM_DEFINES_PRODUCTS

#include <algorithm>

#include "sparsellm/cpu/kernels/nm.hpp"
#include "sparsellm/cpu/kernels/tuning.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/expanded_product.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/pack/brick_weight.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// A batch that is not expanded: every token's input is arranged, and multiplied where weights
// stand.
template <class T>
void nm_streamed_product(const executor_ref& exec, const nm_weight<T>& w, const cover& sections,
                         const token_inputs& x, std::size_t tokens, matrix_view<float> y) {
  const nm_table<T>& kernels = nm_kernels<T>(exec.isa);
  const std::size_t tasks = std::min<std::size_t>(w.strips(), exec.concurrency());
  const std::size_t width = sections.batch_stride(), x_bytes = arranged_bytes(w.cells());
  scratch_layout layout;
  const std::size_t sums_at = layout.reserve<float>(tokens * width);
  const std::size_t kept_at = layout.reserve<float>(tasks * w.shape.inputs);
  const std::size_t x_at = layout.reserve<std::byte>(tasks * tokens * x_bytes);
  std::byte* const scratch = exec.scratch(layout.bytes());
  float* const sums = at<float>(scratch, sums_at);
  // Every task arranges x for itself: a microsecond of work, and no second fork.
  exec.parallel_for(tasks, [&](std::size_t task) {
    float* const kept = at<float>(scratch, kept_at) + task * w.shape.inputs;
    std::byte* const arranged = scratch + x_at + task * tokens * x_bytes;
    for (std::size_t s = 0; s < sections.size(); ++s) {
      const covered_section& section = sections[s];
      const index_range mine = share(section.strip_count(), task, tasks);
      if (mine.first == mine.last) continue;
      for (std::size_t t = 0; t < tokens; ++t) {
        sections.zero(s, x[t], 0, w.shape.inputs, kept);
        kernels.arrange(w, kept, arranged + t * x_bytes);
      }
      kernels.strips(w, {section.strips.first + mine.first, section.strips.first + mine.last},
                     arranged, x_bytes, tokens, sums + section.at + mine.first * nm_strip_outputs,
                     width);
    }
  });
  for (std::size_t t = 0; t < tokens; ++t)
    sections.runs(0, w.shape.outputs, [&](std::size_t o, std::size_t n, std::size_t at) {
      std::copy_n(sums + t * width + at, n, &y(t, o));
    });
}

// What expanded_product() calls.
template <class T>
struct nm_bricks {
  const nm_table<T>& kernels;
  const nm_weight<T>& w;
  void operator()(index_range strips, typename expanded<T>::type* bricks) const noexcept {
    for (std::size_t s = strips.first; s < strips.last;
         ++s, bricks += w.shape.inputs * brick_outputs)
      kernels.expand(w, s, bricks);
  }
};

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace SPARSELLM_PRODUCTS {

template <class T>
void nm_product(const executor_ref& exec, const nm_weight<T>& w, const selection& s,
                const token_inputs& x, std::size_t tokens, matrix_view<float> y) {
  const cover sections(s, nm_strip_outputs, w.shape.outputs);
  if (tokens < nm_tuning::expanding_batch)
    nm_streamed_product(exec, w, sections, x, tokens, y);
  else
    expanded_product(exec, w, nm_bricks<T>{nm_kernels<T>(exec.isa), w}, sections, x, tokens, y);
}

}  // namespace SPARSELLM_PRODUCTS

#endif
