// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Sparsity on the output side: rows that nobody will look at are not read. CATS (arXiv 2404.08763)
// knows from the gate which outputs of up matter.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/foreach_target.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/cpu/tasks.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// y[r] = row r of W · x for the rows listed in `live`, 0 for the others. Throws shape_error when
// sizes do not fit or a row is not there.
template <host_executor E, row_view V>
void multiply_rows(E& exec, const V& w, active_view live, vector_view<const float> x,
                   vector_view<float> y) {
  checks::vector_shapes<E>(w, x, y);
  require<shape_error>(live.count == 0 || live.index[live.count - 1] < w.shape.outputs,
                       "multiply_rows: W has ", w.shape.outputs, " rows, row ",
                       live.count == 0 ? 0 : live.index[live.count - 1], " was asked for");
  const auto& kernels = kernels_for<typename V::value_type>(isa_of(exec));
  const matrix_view<const float> xs(x.data(), 1, x.size());
  const matrix_view<float> ys(y.data(), 1, y.size());
  std::fill(y.begin(), y.end(), 0.0f);
  const std::size_t tasks = std::clamp<std::size_t>(live.count, 1, exec.concurrency());
  exec.parallel_for(tasks, [&](std::size_t t) {
    const group_range mine = share(live.count, t, tasks);
    for (std::size_t i = mine.first; i < mine.last; ++i)
      kernels.row_dots(w.data, w.shape.inputs, live.index[i], live.index[i] + 1, xs, ys);
  });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
