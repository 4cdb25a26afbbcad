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
#include "sparsellm/pack/n_of_m.hpp"
#include "sparsellm/pack/nm_weight.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Strips that share the activations in registers; from this many strips on there are blocks enough
// for every multiprocessor of a large GPU (132) all the same.
inline constexpr unsigned shared_strips = 4, shared_from = 4 * 128;

template <class F, int Tokens, int Strips, class S>
void launch_nm(cuda::executor& exec, const nm_weight<typename F::element>& w,
               const section_list<S>& sections, const token_batch& batch) {
  const unsigned blocks = (static_cast<unsigned>(w.strips()) + Strips - 1) / Strips;
  nm_kernel<F, Tokens, Strips, S><<<blocks, nm_warps * 32, 0, exec.stream()>>>(w, sections, batch);
  cuda::check(cudaGetLastError(), "cuda::multiply: launch");
}

template <class F, class S>
void nm_product(cuda::executor& exec, const nm_weight<typename F::element>& w,
                const section_list<S>& sections, matrix_view<const float, device_space> x,
                matrix_view<float, device_space> y) {
  in_batches<8>(w.shape, x, y, [&](const token_batch& batch, auto tokens) {
    if (w.strips() >= shared_from)
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
