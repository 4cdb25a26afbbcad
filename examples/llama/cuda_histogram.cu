// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda_histogram.hpp"

#include "sparsellm/cuda/statistics.cuh"

namespace llama {

struct cuda_histogram::counts {
  sparsellm::cuda::executor& exec;
  sparsellm::cuda::device_histogram there;
};

cuda_histogram::cuda_histogram(sparsellm::cuda::executor& exec)
    : counts_(new counts{exec, sparsellm::cuda::device_histogram(exec)}) {}
cuda_histogram::~cuda_histogram() = default;

void cuda_histogram::observe(const_device_rows x,
                             sparsellm::vector_view<const float, sparsellm::device_space> scale) {
  counts_->there.observe(counts_->exec, x, scale);
}

sparsellm::histogram cuda_histogram::on_host() const {
  sparsellm::histogram here;
  counts_->there.add_to(counts_->exec, here);
  return here;
}

}  // namespace llama
