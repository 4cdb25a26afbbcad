// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The k channels of largest score on the device, by radix select: the host's choice, ties and NaN
// included. Nothing waits for it and nothing is allocated once it has run, so a captured decode
// step may use it.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/active_set.cuh"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/top_k.cuh"
#include "sparsellm/cuda/sparsify.cuh"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/score.hpp"
#include "sparsellm/sparsify/selector.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Up to wide_tokens_at_once tokens, each at least 1 channel.
template <class Score, class Out>
void choose_wide(cuda::executor& exec, const Score& score, unsigned kept,
                 matrix_view<const float, device_space> x, const Out& out) {
  const auto inputs = static_cast<unsigned>(x.cols());
  const auto tokens = static_cast<unsigned>(x.rows());
  const unsigned rounds = (inputs + select_threads - 1) / select_threads;
  const unsigned each = (rounds + most_chunks - 1) / most_chunks;
  const dim3 grid((rounds + each - 1) / each, tokens);
  const std::size_t bytes = top_k_scratch(x.cols(), x.rows());
  auto* const choice = reinterpret_cast<wide_choice*>(exec.scratch(bytes));
  cuda::check(cudaMemsetAsync(choice, 0, bytes, exec.stream()), "sparsify: zeros");
  const wide_input<Score> from{score, kept, x.data(), x.stride(), inputs, each, choice};
  for (unsigned pass = 0; pass < key_passes; ++pass)
    count_keys_kernel<<<grid, select_threads, 0, exec.stream()>>>(from, pass);
  count_chunk_kernel<<<grid, select_threads, 0, exec.stream()>>>(from);
  write_chunk_kernel<<<grid, select_threads, 0, exec.stream()>>>(from, out);
}

template <class Score, class Out>
void choose_largest(cuda::executor& exec, const sparsifier<Score, top_k>& s,
                    matrix_view<const float, device_space> x, const Out& out) {
  const auto inputs = static_cast<unsigned>(x.cols());
  const auto kept = static_cast<unsigned>(std::min<std::size_t>(s.select.k, inputs));
  const auto tokens = static_cast<unsigned>(x.rows());
  const auto launch = [&](auto kernel) {
    kernel<<<tokens, select_threads, 0, exec.stream()>>>(s.score, kept, x.data(), x.stride(),
                                                         inputs, out);
  };
  if (kept == 0) return cuda::check(out.nothing(tokens, inputs, exec.stream()), "sparsify: zeros");
  if (inputs > one_block_channels)
    choose_wide(exec, s.score, kept, x, out);
  else if (inputs > narrow_keys * select_threads)
    launch(top_k_kernel<one_block_keys, Score, Out>);
  else
    launch(top_k_kernel<narrow_keys, Score, Out>);
  cuda::check(cudaGetLastError(), "sparsify: launch");
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// Writes the min(k, inputs) channels of x [inputs] with the largest scores to `out`, ascending, in
// stream order; does not wait. More than 14,336 inputs take scratch of the executor
// (workspace_bytes() counts it). Throws shape_error when `out` has no room for x.
template <activation_score Score>
void sparsify(cuda::executor& exec, const sparsifier<Score, top_k>& s,
              vector_view<const float, device_space> x, active_set<device_space>& out) {
  detail::device::check_room(x.size(), out);
  detail::device::choose_largest(
      exec, s, {x.data(), 1, x.size()},
      detail::device::to_list{out.index_storage(), out.value_storage(), out.count_storage()});
}

// A batch: writes x [tokens, inputs] to `out` [tokens, inputs], which may be x, with zeros for all
// but each token's min(k, inputs) channels of largest score; a product of `out` that skips zeros
// multiplies these. In stream order, without waiting. Throws shape_error when the shapes differ or
// there are more than 2^31 - 1 inputs.
template <activation_score Score>
void sparsify(cuda::executor& exec, const sparsifier<Score, top_k>& s,
              matrix_view<const float, device_space> x, matrix_view<float, device_space> out) {
  require<shape_error>(x.rows() == out.rows() && x.cols() == out.cols(), "sparsify: ", x.rows(),
                       "x", x.cols(), " expected, the output has ", out.rows(), "x", out.cols());
  require<shape_error>(x.cols() <= 0x7fffffffu, "sparsify: at most 2^31 - 1 channels, got ",
                       x.cols());
  const std::size_t at_once = x.cols() > detail::device::one_block_channels
                                  ? detail::device::wide_tokens_at_once
                                  : x.rows();
  for (std::size_t t = 0; t < x.rows(); t += at_once) {
    const std::size_t tokens = std::min(x.rows() - t, at_once);
    detail::device::choose_largest(
        exec, s, {x.data() + t * x.stride(), tokens, x.cols(), x.stride()},
        detail::device::to_matrix{out.data() + t * out.stride(), out.stride()});
  }
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
