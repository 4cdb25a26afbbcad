// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything that uses CUB or Thrust, to be compiled with the oldest CCCL that we state
// (script/get-cccl); not run.

#include <cub/version.cuh>

#include "sparsellm/cuda.cuh"

static_assert(CUB_VERSION / 100 == SPARSELLM_EXPECT_CUB, "another CUB was found first");

namespace sparsellm {

void use_all(cuda::executor& exec, matrix_view<const float, device_space> scores,
             active_set<device_space>& active, const cuda::device_mask& mask) {
  (void)cuda::exact_quantile(exec, scores, 0.5);
  sparsify(exec, sparsifier{magnitude{}, top_k{3}}, scores.row(0), active);
  const auto mean = cuda::mean_scores(exec, scores);
  const channel_order order = cuda::global_shuffle(exec, mean.view(), 4);
  (void)cuda::block_shuffle(exec, {2, 4}, scores, order);
  (void)pack_masked<channel_bitmap<bfloat16, 2, 4>>(exec, scores, mask);
}

}  // namespace sparsellm
