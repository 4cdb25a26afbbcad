// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches the kernel of row_major weights: all rows, or those that scores ask for.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/batches.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/rows.cuh"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {

// A view of row_major, of any type.
template <class V>
concept row_view =
    std::derived_from<V, typename row_major<typename V::value_type>::template view<device_space>>;

}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <row_view V, int Tokens, class S, class Rows>
void launch_rows(executor& exec, const V& w, const section_list<S>& sections,
                 const token_batch& batch, const Rows& rows) {
  using T = typename V::value_type;
  constexpr unsigned wide = 16 / sizeof(T);
  const auto blocks = static_cast<unsigned>((w.shape.outputs + row_warps - 1) / row_warps);
  if (w.shape.inputs % wide == 0 && reinterpret_cast<std::uintptr_t>(w.data) % 16 == 0)
    row_kernel<T, wide, Tokens, S, Rows>
        <<<blocks, row_warps * 32, 0, exec.stream()>>>(w.data, w.shape, sections, batch, rows);
  else
    row_kernel<T, 1, Tokens, S, Rows>
        <<<blocks, row_warps * 32, 0, exec.stream()>>>(w.data, w.shape, sections, batch, rows);
  check(cudaGetLastError(), "cuda::multiply: launch");
}

template <row_view V, class S>
void rows_product(executor& exec, const V& w, const stacked<S>& s,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  const section_list<S> sections(s);
  in_batches<8>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    launch_rows<V, tokens()>(exec, w, sections, batch, every_row{});
  });
}

// y [tokens, outputs]: row o of W · x [tokens, inputs] where the sparsifier keeps scores(token, o),
// 0 elsewhere; a row that no token of up to 8 wants is not read. y must not overlap the others.
// Throws shape_error when sizes do not fit.
template <row_view V, pointwise_sparsifier Keep>
void multiply_rows(executor& exec, const V& w, matrix_view<const float, device_space> scores,
                   const Keep& keep, matrix_view<const float, device_space> x,
                   matrix_view<float, device_space> y) {
  require<shape_error>(x.cols() == w.shape.inputs && y.cols() == w.shape.outputs &&
                           scores.cols() == w.shape.outputs && x.rows() == y.rows() &&
                           scores.rows() == y.rows() && x.rows() != 0,
                       "cuda::multiply_rows: W is ", w.shape.outputs, "x", w.shape.inputs,
                       ", so as many scores and outputs a token expected, got ", scores.rows(), "x",
                       scores.cols(), " and ", y.rows(), "x", y.cols(), " for x of ", x.rows(), "x",
                       x.cols());
  const section<keep_all> all{0, w.shape.outputs, {}};
  const section_list<keep_all> sections(stacked<keep_all>{&all, 1});
  in_batches<8>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    const auto first = static_cast<std::size_t>(batch.y - y.data()) / y.stride();
    launch_rows<V, tokens()>(
        exec, w, sections, batch,
        rows_kept<Keep>{scores.data() + first * scores.stride(), scores.stride(), keep});
  });
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
