// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/observers.hpp"

#include <utility>

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

struct cuda_channel_stats::counts {
  sparsellm::cuda::executor& exec;
  sparsellm::cuda::device_channel_stats there;
};

cuda_channel_stats::cuda_channel_stats(sparsellm::cuda::executor& exec, std::size_t channels)
    : counts_(new counts{exec, sparsellm::cuda::device_channel_stats(exec, channels)}) {}
cuda_channel_stats::~cuda_channel_stats() = default;

void cuda_channel_stats::observe(const_device_rows x) { counts_->there.observe(counts_->exec, x); }

sparsellm::channel_stats cuda_channel_stats::on_host() const {
  return counts_->there.on_host(counts_->exec);
}

struct cuda_entropy::counts {
  sparsellm::cuda::executor& exec;
  sparsellm::cuda::device_entropy there;  // in the bins of `here`
  sparsellm::entropy here;
};

cuda_entropy::cuda_entropy(sparsellm::cuda::executor& exec, sparsellm::entropy bins)
    : counts_(new counts{exec, sparsellm::cuda::device_entropy(exec, bins), std::move(bins)}) {}
cuda_entropy::~cuda_entropy() = default;

void cuda_entropy::observe(const_device_rows x) { counts_->there.observe(counts_->exec, x); }

sparsellm::entropy cuda_entropy::on_host() && {
  counts_->there.add_to(counts_->exec, counts_->here);
  return std::move(counts_->here);
}

}  // namespace llama
