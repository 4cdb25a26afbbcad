// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The library's observers on the device, for files that the host's compiler builds.
#pragma once

#include <cstddef>
#include <memory>

#include "cuda/linear.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/observe/entropy.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace llama {

class cuda_histogram {
 public:
  explicit cuda_histogram(sparsellm::cuda::executor& exec);
  ~cuda_histogram();

  // |x| of x [rows, channels], times scale [channels] unless that is empty.
  void observe(const_device_rows x,
               sparsellm::vector_view<const float, sparsellm::device_space> scale);
  // Waits.
  [[nodiscard]] sparsellm::histogram on_host() const;

 private:
  struct counts;
  std::unique_ptr<counts> counts_;
};

class cuda_channel_stats {
 public:
  cuda_channel_stats(sparsellm::cuda::executor& exec, std::size_t channels);
  ~cuda_channel_stats();
  void observe(const_device_rows x);
  // Waits.
  [[nodiscard]] sparsellm::channel_stats on_host() const;

 private:
  struct counts;
  std::unique_ptr<counts> counts_;
};

class cuda_entropy {
 public:
  // In the bins of an observer of the host.
  cuda_entropy(sparsellm::cuda::executor& exec, sparsellm::entropy bins);
  ~cuda_entropy();
  void observe(const_device_rows x);
  // Waits.
  [[nodiscard]] sparsellm::entropy on_host() &&;

 private:
  struct counts;
  std::unique_ptr<counts> counts_;
};

}  // namespace llama
