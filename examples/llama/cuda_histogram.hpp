// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// sparsellm::cuda::device_histogram for files that the host's compiler builds.
#pragma once

#include <memory>

#include "cuda_linear.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/executor.cuh"
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

}  // namespace llama
