// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Stage 1, observe, on the device: batches of activations are counted where they are, and the
// host's observers take the counts over. The numbers are the ones that the host would have counted
// itself.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/statistics.cuh"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/observe/entropy.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {

inline void check_rows(const char* what, matrix_view<const float, device_space> x,
                       std::size_t channels) {
  require<shape_error>(x.cols() == channels, what, ": rows of ", channels,
                       " channels expected, got ", x.cols());
  require<shape_error>(x.rows() <= 0x7fffffffu && x.cols() <= 0x7fffffffu, what,
                       ": at most 2^31 - 1 rows and channels, got ", x.rows(), "x", x.cols());
}
// As many as a grid has at most.
[[nodiscard]] inline unsigned blocks_for(std::size_t threads) {
  return static_cast<unsigned>(
      std::min<std::size_t>((threads + statistics_threads - 1) / statistics_threads, 0x7fffffffu));
}

}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// What histogram counts.
class device_histogram {
 public:
  // Nothing counted. Allocates; waits.
  explicit device_histogram(executor& exec)
      : bins_(exec.stream(), histogram::bin_count), apart_(exec.stream(), 2) {
    buffer<histogram::bin> blank(histogram::bin_count, histogram::bin{});
    copy(exec, vector_view<const histogram::bin>(blank.data(), blank.size()), bins_.view());
    check(cudaMemsetAsync(apart_.data(), 0, 2 * sizeof(unsigned long long), exec.stream()),
          "cuda::device_histogram");
    exec.wait();  // for what is copied from here
  }
  // Counts x [rows, channels], times scale [channels] when there is one, in stream order. Throws
  // shape_error for a scale of another size.
  void observe(executor& exec, matrix_view<const float, device_space> x,
               vector_view<const float, device_space> scale = {}) {
    detail::device::check_rows("cuda::device_histogram", x, x.cols());
    require<shape_error>(scale.empty() || scale.size() == x.cols(),
                         "cuda::device_histogram: a scale of ", x.cols(),
                         " channels expected, got ", scale.size());
    if (x.rows() == 0 || x.cols() == 0) return;
    const unsigned blocks = std::min(detail::device::blocks_for(x.rows() * x.cols()),
                                     32 * static_cast<unsigned>(exec.device().multiprocessors));
    detail::device::
        histogram_kernel<<<blocks, detail::device::statistics_threads, 0, exec.stream()>>>(
            x.data(), x.stride(), static_cast<unsigned>(x.rows()), static_cast<unsigned>(x.cols()),
            scale.empty() ? nullptr : scale.data(), bins_.data(), apart_.data(), apart_.data() + 1);
    check(cudaGetLastError(), "cuda::device_histogram: launch");
  }
  // Adds what was counted to the host's. Waits.
  void add_to(executor& exec, histogram& host) const {
    const buffer<histogram::bin> bins = to_host(exec, bins_);
    const buffer<unsigned long long> apart = to_host(exec, apart_);
    host.merge(vector_view<const histogram::bin>(bins.data(), bins.size()), apart[0], apart[1]);
  }

 private:
  device_buffer<histogram::bin> bins_;
  device_buffer<unsigned long long> apart_;  // zeros, non-finite values
};

// What channel_stats sums.
class device_channel_stats {
 public:
  // Nothing summed. Allocates; waits. Throws as channel_stats does.
  device_channel_stats(executor& exec, std::size_t channels, float firing_threshold = 0.0f)
      : sums_(exec.stream(), channels), firing_threshold_(firing_threshold) {
    (void)channel_stats(channels, firing_threshold);  // refuses what it refuses
    const buffer<channel_stats::sums> blank(channels, channel_stats::sums{});
    copy(exec, vector_view<const channel_stats::sums>(blank.data(), channels), sums_.view());
    exec.wait();
  }
  // Counts x [rows, channels], in stream order. Throws shape_error for another number of channels.
  void observe(executor& exec, matrix_view<const float, device_space> x) {
    detail::device::check_rows("cuda::device_channel_stats", x, sums_.size());
    detail::device::channel_stats_kernel<<<detail::device::blocks_for(x.cols()),
                                           detail::device::statistics_threads, 0, exec.stream()>>>(
        x.data(), x.stride(), static_cast<unsigned>(x.rows()), static_cast<unsigned>(x.cols()),
        firing_threshold_, sums_.data());
    check(cudaGetLastError(), "cuda::device_channel_stats: launch");
    rows_ += x.rows();
  }
  // The host's observer of what was summed. Waits; allocates it.
  [[nodiscard]] channel_stats on_host(executor& exec) const {
    const buffer<channel_stats::sums> sums = to_host(exec, sums_);
    return {vector_view<const channel_stats::sums>(sums.data(), sums.size()), rows_,
            firing_threshold_};
  }

 private:
  device_buffer<channel_stats::sums> sums_;
  float firing_threshold_;
  std::uint64_t rows_ = 0;
};

// What entropy counts, in the bins of an observer of the host.
class device_entropy {
 public:
  // Nothing counted. Allocates; waits.
  device_entropy(executor& exec, const entropy& bins)
      : bins_(bins.options().bins),
        absolute_(bins.options().of == entropy_options::values::absolute),
        ranges_(to_device(exec, bins.ranges())),
        counts_(exec.stream(), bins.channels() * bins.options().bins),
        non_finite_(exec.stream(), 1) {
    check(cudaMemsetAsync(counts_.data(), 0, counts_.size() * sizeof(std::uint32_t), exec.stream()),
          "cuda::device_entropy");
    check(cudaMemsetAsync(non_finite_.data(), 0, sizeof(unsigned long long), exec.stream()),
          "cuda::device_entropy");
    exec.wait();
  }
  // Counts x [rows, channels], in stream order. Throws shape_error for another number of channels.
  void observe(executor& exec, matrix_view<const float, device_space> x) {
    detail::device::check_rows("cuda::device_entropy", x, ranges_.size());
    detail::device::entropy_kernel<<<detail::device::blocks_for(x.cols()),
                                     detail::device::statistics_threads, 0, exec.stream()>>>(
        x.data(), x.stride(), static_cast<unsigned>(x.rows()), static_cast<unsigned>(x.cols()),
        ranges_.data(), static_cast<unsigned>(bins_), absolute_, counts_.data(),
        non_finite_.data());
    check(cudaGetLastError(), "cuda::device_entropy: launch");
    rows_ += x.rows();
  }
  // Adds what was counted to the observer whose bins these are. Waits.
  void add_to(executor& exec, entropy& host) const {
    const buffer<std::uint32_t> counts = to_host(exec, counts_);
    const buffer<unsigned long long> non_finite = to_host(exec, non_finite_);
    host.merge(vector_view<const std::uint32_t>(counts.data(), counts.size()), rows_,
               non_finite[0]);
  }

 private:
  std::size_t bins_;
  bool absolute_;
  device_buffer<entropy::bin_range> ranges_;
  device_buffer<std::uint32_t> counts_;
  device_buffer<unsigned long long> non_finite_;
  std::uint64_t rows_ = 0;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
