// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// E-Sparse's two shuffles on the device (arXiv 2310.15929, section 3): the orders are the host's,
// channel for channel.
#pragma once

#include <cuda_runtime_api.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cub/device/device_radix_sort.cuh>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/global_shuffle.cuh"
#include "sparsellm/cuda/swap_gains.cuh"
#include "sparsellm/permute/block_shuffle.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/permute/global_shuffle.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

// The mean score of each channel over the rows of scores [rows, channels]: [channels], in double
// and in stream order. Allocates it. Throws shape_error for more than 2^31 - 1 rows or channels.
[[nodiscard]] inline device_buffer<double> mean_scores(
    executor& exec, matrix_view<const float, device_space> scores) {
  require<shape_error>(scores.rows() <= 0x7fffffffu && scores.cols() <= 0x7fffffffu,
                       "cuda::mean_scores: at most 2^31 - 1 rows and channels, got ", scores.rows(),
                       "x", scores.cols());
  device_buffer<double> mean(exec.stream(), scores.cols());
  if (scores.cols() == 0) return mean;
  const auto channels = static_cast<unsigned>(scores.cols());
  detail::device::mean_scores_kernel<<<(channels + detail::device::deal_threads - 1) /
                                           detail::device::deal_threads,
                                       detail::device::deal_threads, 0, exec.stream()>>>(
      scores.data(), scores.stride(), static_cast<unsigned>(scores.rows()), channels, mean.data());
  check(cudaGetLastError(), "cuda::mean_scores: launch");
  return mean;
}

// As global_shuffle() of the host, of mean [channels] on the device. Waits; allocates. Throws
// value_error for m = 0 and for NaN, shape_error for more than 2^31 - 1 channels.
[[nodiscard]] inline channel_order global_shuffle(executor& exec,
                                                  vector_view<const double, device_space> mean,
                                                  std::size_t m,
                                                  dealing how = dealing::round_robin) {
  require<value_error>(m != 0, "global_shuffle: groups of at least 1 channel expected, got 0");
  require<shape_error>(mean.size() <= 0x7fffffffu && m <= 0x7fffffffu,
                       "global_shuffle: at most 2^31 - 1 channels, got ", mean.size());
  if (mean.size() == 0) return channel_order();
  const auto n = static_cast<unsigned>(mean.size());
  const unsigned blocks = (n + detail::device::deal_threads - 1) / detail::device::deal_threads,
                 none = ~0u;
  device_buffer<std::uint32_t> channel(exec.stream(), n), sorted(exec.stream(), n);
  device_buffer<double> keys(exec.stream(), n);
  const device_buffer<unsigned> wrong = [&] {
    device_buffer<unsigned> first = to_device(exec, vector_view<const unsigned>(&none, 1));
    detail::device::
        number_channels_kernel<<<blocks, detail::device::deal_threads, 0, exec.stream()>>>(
            mean.data(), n, channel.data(), first.data());
    check(cudaGetLastError(), "global_shuffle: launch");
    return first;
  }();
  const unsigned at_nan = to_host(exec, wrong)[0];
  require<value_error>(at_nan == none, "global_shuffle: the mean score of channel ", at_nan,
                       " is NaN");
  // A radix sort is stable: equal means keep their order.
  std::size_t bytes = 0;
  const auto sort = [&](void* memory) {
    check(cub::DeviceRadixSort::SortPairsDescending(memory, bytes, mean.data(), keys.data(),
                                                    channel.data(), sorted.data(),
                                                    static_cast<int>(n), 0, 64, exec.stream()),
          "global_shuffle: sort");
  };
  sort(nullptr);
  auto memory = exec.allocate<std::byte>(bytes);
  sort(memory.data());
  detail::device::deal_kernel<<<blocks, detail::device::deal_threads, 0, exec.stream()>>>(
      sorted.data(), n, static_cast<unsigned>(m), how == dealing::zigzag, channel.data());
  check(cudaGetLastError(), "global_shuffle: launch");
  std::vector<std::uint32_t> at(n);
  copy(exec, vector_view<const std::uint32_t, device_space>(channel.data(), n),
       vector_view<std::uint32_t>(at));
  return channel_order(std::move(at));
}

// As block_shuffle() of the host, of scores [rows, channels] on the device; go_on is asked on the
// host. Waits; allocates. Throws as that does, and shape_error for blocks of more than 32,768
// channels.
template <std::predicate<double> GoOn = detail::to_the_end>
[[nodiscard]] channel_order block_shuffle(executor& exec, nm_pattern p,
                                          matrix_view<const float, device_space> scores,
                                          const channel_order& start,
                                          const block_shuffle_options& how = {},
                                          GoOn&& go_on = {}) {
  return detail::shuffle_blocks(
      p, scores.cols(), start, how, go_on, [&](vector_view<const std::uint32_t> channels) {
        return detail::device::device_swap_gains(exec, p, scores, channels);
      });
}

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::cuda::inline SPARSELLM_BASELINE
