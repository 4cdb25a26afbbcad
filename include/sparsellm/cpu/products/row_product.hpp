// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of row_major weights: all rows, or those that are listed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor_ref.hpp"
#include "sparsellm/cpu/products/selection.hpp"
#include "sparsellm/pack/row_major.hpp"

namespace SPARSELLM_PRODUCTS {

// Y [tokens, outputs] = W · what each section keeps of X, outputs that no section covers left
// alone.
template <storage_scalar T>
void row_product(const executor_ref& exec, const row_weight<T>& w, const selection& s,
                 const token_inputs& x, std::size_t tokens, matrix_view<float> y);

// y[r] = row r of W · x for the rows that are listed; the others are left alone.
template <storage_scalar T>
void listed_rows_product(const executor_ref& exec, const row_weight<T>& w,
                         vector_view<const std::uint32_t> rows, vector_view<const float> x,
                         vector_view<float> y);

}  // namespace SPARSELLM_PRODUCTS

#if SPARSELLM_DEFINES_PRODUCTS

#include <algorithm>

#include "sparsellm/cpu/kernels/row.hpp"
#include "sparsellm/cpu/products/cover.hpp"
#include "sparsellm/cpu/products/tasks.hpp"
#include "sparsellm/cpu/products/zeroed_input.hpp"

namespace SPARSELLM_PRODUCTS {

template <storage_scalar T>
void row_product(const executor_ref& exec, const row_weight<T>& w, const selection& s,
                 const token_inputs& x, std::size_t tokens, matrix_view<float> y) {
  const row_table<T>& kernels = row_kernels<T>(exec.isa);
  const cover sections(s, 1, w.shape.outputs);
  const std::size_t tasks = std::min<std::size_t>(w.shape.outputs, exec.concurrency());
  with_zeroed(exec, sections, x, tokens, w.shape.inputs, 0, [&](const auto& kept, float*) {
    exec.parallel_for(tasks, [&](std::size_t t) {
      for (std::size_t i = 0; i < sections.size(); ++i) {
        const index_range mine = share(sections[i].strip_count(), t, tasks);
        kernels.row_dots(w.data, w.shape.inputs, sections[i].first + mine.first,
                         sections[i].first + mine.last, kept(i), y);
      }
    });
  });
}

template <storage_scalar T>
void listed_rows_product(const executor_ref& exec, const row_weight<T>& w,
                         vector_view<const std::uint32_t> rows, vector_view<const float> x,
                         vector_view<float> y) {
  const row_table<T>& kernels = row_kernels<T>(exec.isa);
  const matrix_view<const float> xs(x.data(), 1, x.size());
  const matrix_view<float> ys(y.data(), 1, y.size());
  const std::size_t tasks = std::clamp<std::size_t>(rows.size(), 1, exec.concurrency());
  exec.parallel_for(tasks, [&](std::size_t t) {
    const index_range mine = share(rows.size(), t, tasks);
    for (std::size_t i = mine.first; i < mine.last; ++i)
      kernels.row_dots(w.data, w.shape.inputs, rows[i], rows[i] + 1, xs, ys);
  });
}

}  // namespace SPARSELLM_PRODUCTS

#endif
