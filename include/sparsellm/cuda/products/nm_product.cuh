// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Launches the kernel of N:M weights: as many strips of outputs a block as leave enough blocks.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/products/batches.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/batch.cuh"
#include "sparsellm/cuda/kernels/nm.cuh"
#include "sparsellm/cuda/products/product_instance.cuh"
#include "sparsellm/cuda/products/ranges.cuh"
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/nm_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Strips that share the activations in registers, where that leaves blocks enough.
inline constexpr unsigned shared_strips = 4;
template <class T>
[[nodiscard]] bool shares_strips(const nm_weight<T>& w) {
  return w.strips() >= shared_strips * blocks_wanted;
}
// Blocks of one token's product in one section.
template <class T>
[[nodiscard]] unsigned blocks_of(const nm_weight<T>& w) {
  const unsigned each = shares_strips(w) ? shared_strips : 1;
  return (static_cast<unsigned>(w.strips()) + each - 1) / each;
}

template <class F, int Tokens, int Strips, class S>
void launch_nm(cuda::executor& exec, const nm_weight<typename F::element>& w,
               const section_list<S>& sections, const token_batch& batch) {
  constexpr std::size_t span = Strips * nm_strip_outputs;
  for_each_range<span, 1>(
      w.shape.outputs, sections,
      [&](const section_list<S>& here, std::size_t first, std::size_t last) {
        const std::size_t strips =
            (last + nm_strip_outputs - 1) / nm_strip_outputs - first / nm_strip_outputs;
        nm_kernel<F, Tokens, Strips, S><<<static_cast<unsigned>((strips + Strips - 1) / Strips),
                                          nm_warps * 32, 0, exec.stream()>>>(
            w, here, batch, static_cast<unsigned>(first), static_cast<unsigned>(last));
        cuda::check(cudaGetLastError(), "cuda::multiply: launch");
      });
}

template <class F, class S>
void nm_product(cuda::executor& exec, const nm_weight<typename F::element>& w,
                const section_list<S>& sections, matrix_view<const float, device_space> x,
                matrix_view<float, device_space> y) {
  in_batches<8>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    if (shares_strips(w))
      launch_nm<F, tokens(), shared_strips>(exec, w, sections, batch);
    else
      launch_nm<F, tokens(), 1>(exec, w, sections, batch);
  });
}

#if defined(SPARSELLM_CUDA_COMPILED)
#define SPARSELLM_INSTANCE extern template
#include "sparsellm/cuda/products/nm_products.inl"
#undef SPARSELLM_INSTANCE
#endif

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
