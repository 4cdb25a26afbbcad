// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the example asks of CUB, in one file: a simulator that tests run on cannot load two that
// both hold its inline device variables.
#include "cuda/channels.cuh"

#include <algorithm>

#include "cuda/order.hpp"
#include "sparsellm/cuda/permute.cuh"
#include "sparsellm/cuda/top_k.cuh"

namespace llama {

void cuda_list_largest(sparsellm::cuda::executor& exec, const float* scale, std::size_t k,
                       sparsellm::vector_view<const float, sparsellm::device_space> x,
                       sparsellm::active_set<sparsellm::device_space>& out) {
  sparsify(exec, sparsellm::sparsifier{sparsellm::column_scaled{scale}, sparsellm::top_k{k}}, x,
           out);
}

sparsellm::channel_order search_cuda_order(sparsellm::matrix_view<const float> scores,
                                           const shuffling& how) {
  sparsellm::channel_order order = sparsellm::channel_order::identity(scores.cols());
  if (!how.global_shuffle && !how.local_shuffle) return order;
  sparsellm::cuda::executor exec;
  const auto memory = sparsellm::cuda::to_device(
      exec, sparsellm::vector_view<const float>(scores.data(), scores.rows() * scores.cols()));
  const sparsellm::matrix_view<const float, sparsellm::device_space> there(
      memory.data(), scores.rows(), scores.cols());
  if (how.global_shuffle)
    order = sparsellm::cuda::global_shuffle(exec, sparsellm::cuda::mean_scores(exec, there).view(),
                                            how.pattern.m, how.deal);
  if (!how.local_shuffle) return order;
  sparsellm::block_shuffle_options options;
  options.block = std::max(how.block, how.pattern.m);
  return sparsellm::cuda::block_shuffle(exec, how.pattern, there, order, options,
                                        shuffle_clock(how));
}

}  // namespace llama
