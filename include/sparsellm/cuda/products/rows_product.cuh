// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches the kernel of row_major weights: all rows, or those that scores ask for.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/products/batches.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/rows.cuh"
#include "sparsellm/cuda/products/product_instance.cuh"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

template <storage_scalar T>
[[nodiscard]] unsigned blocks_of(const row_weight<T>& w) {
  return static_cast<unsigned>((w.shape.outputs + row_warps - 1) / row_warps);
}

template <storage_scalar T, int Tokens, class S, class Rows>
void launch_rows(cuda::executor& exec, const row_weight<T>& w, const section_list<S>& sections,
                 const token_batch& batch, const Rows& rows) {
  constexpr unsigned wide = 16 / sizeof(T);
  const unsigned blocks = blocks_of(w);
  if (w.shape.inputs % wide == 0 && reinterpret_cast<std::uintptr_t>(w.data) % 16 == 0)
    row_kernel<T, wide, Tokens, S, Rows>
        <<<blocks, row_warps * 32, 0, exec.stream()>>>(w.data, w.shape, sections, batch, rows);
  else
    row_kernel<T, 1, Tokens, S, Rows>
        <<<blocks, row_warps * 32, 0, exec.stream()>>>(w.data, w.shape, sections, batch, rows);
  cuda::check(cudaGetLastError(), "multiply: launch");
}

template <storage_scalar T, class S>
void rows_product(cuda::executor& exec, const row_weight<T>& w, const section_list<S>& sections,
                  matrix_view<const float, device_space> x, matrix_view<float, device_space> y) {
  in_batches<8>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    launch_rows<T, tokens()>(exec, w, sections, batch, every_row{});
  });
}

// The rows whose score [tokens, outputs] is kept, the others 0.
template <storage_scalar T, class Keep>
void kept_rows_product(cuda::executor& exec, const row_weight<T>& w,
                       matrix_view<const float, device_space> scores, const Keep& keep,
                       matrix_view<const float, device_space> x,
                       matrix_view<float, device_space> y) {
  const section<keep_all> all{0, w.shape.outputs, {}};
  const section_list sections(stacked<keep_all>{&all, 1});
  in_batches<8>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    const auto first = static_cast<std::size_t>(batch.y - y.data()) / y.stride();
    launch_rows<T, tokens()>(
        exec, w, sections, batch,
        rows_kept<Keep>{scores.data() + first * scores.stride(), scores.stride(), keep});
  });
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/rows_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
