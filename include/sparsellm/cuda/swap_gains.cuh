// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// permute/swap_gains.hpp on the device. It makes exactly the exchanges that the host makes. The
// device computes the map of gains and sorts it; the host goes through the sorted list.
#pragma once

#include <cuda_runtime_api.h>
#include <thrust/iterator/counting_iterator.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_select.cuh>
#include <utility>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cuda/config.cuh"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/error.cuh"
#include "sparsellm/cuda/executor.cuh"
#include "sparsellm/cuda/kernels/swap_gains.cuh"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE {
inline namespace SPARSELLM_CUDA_ARCHITECTURES {

class device_swap_gains {
 public:
  // channels [places]: which columns of scores [rows, channels] the block holds. Every p.m
  // neighbouring places are a group; the last one may be shorter. Throws shape_error for more than
  // 32,768 places, whose map has 2^30 gains.
  device_swap_gains(cuda::executor& exec, nm_pattern p,
                    matrix_view<const float, device_space> scores,
                    vector_view<const std::uint32_t> channels)
      : exec_(exec),
        pattern_(p),
        places_(channels.size()),
        rows_((scores.rows() + gain_lanes - 1) / gain_lanes * gain_lanes),
        channel_(channels.begin(), channels.end()),
        slot_(places_),
        kept_(p.groups(places_)),
        score_(exec.stream(), places_ * rows_),
        bar_(exec.stream(), places_ * rows_),
        slot_there_(exec.stream(), places_),
        list_(exec.stream(), std::max(kept_.size(), std::size_t{1})),
        fresh_(exec.stream(), kept_.size()),
        rest_(exec.stream(), places_),
        kept_there_(exec.stream(), kept_.size()),
        gain_(exec.stream(), places_ * places_) {
    require<shape_error>(places_ <= 32768 && scores.rows() <= 0x7fffffffu,
                         "cuda::block_shuffle: blocks of at most 32,768 channels and 2^31 - 1 rows "
                         "expected, got ",
                         places_, " and ", scores.rows());
    for (std::size_t i = 0; i < places_; ++i) slot_[i] = static_cast<std::uint32_t>(i);
    cuda::check(cudaMemsetAsync(score_.data(), 0, places_ * rows_ * sizeof(float), exec.stream()),
                what);
    cuda::check(cudaMemsetAsync(gain_.data(), 0, gain_.size() * sizeof(double), exec.stream()),
                what);
    cuda::copy(exec_, vector_view<const std::uint32_t>(channel_), slot_there_.view());
    gather_scores_kernel<<<dim3(blocks_of(scores.rows()), static_cast<unsigned>(places_)),
                           swap_threads, 0, exec.stream()>>>(
        scores.data(), scores.stride(), static_cast<unsigned>(scores.rows()), slot_there_.data(),
        static_cast<unsigned>(rows_), score_.data());
    cuda::check(cudaGetLastError(), what);
    std::vector<std::uint32_t> all(kept_.size());
    for (std::size_t g = 0; g < all.size(); ++g) all[g] = static_cast<std::uint32_t>(g);
    refresh(all);
  }

  [[nodiscard]] const std::vector<std::uint32_t>& channels() const noexcept { return channel_; }

  // The sum of the scores that all groups keep, over all rows.
  [[nodiscard]] double kept() const noexcept {
    double sum = 0;
    for (const double k : kept_) sum += k;
    return sum;
  }

  // One round, as swap_gains::swap_best() takes it. Waits.
  bool swap_best(double least) {
    const double bound = least * kept();
    const std::vector<swap_pair> found = best_first(bound);
    std::vector<bool> touched(kept_.size(), false);
    std::vector<std::uint32_t> changed;
    // All exchanges that do not meet are looked at together, as if each will be taken. The first
    // that is not makes those after it be chosen anew.
    for (std::size_t next = 0; next < found.size();) {
      std::vector<bool> taken = touched;
      std::vector<swap_pair> chosen;
      std::vector<std::size_t> place;  // in `found`
      for (std::size_t k = next; k < found.size(); ++k) {
        const std::size_t a = group_of(found[k].i), b = group_of(found[k].j);
        if (taken[a] || taken[b]) continue;
        taken[a] = taken[b] = true;
        chosen.push_back(found[k]);
        place.push_back(k);
      }
      next = found.size();
      const buffer<double> now = kept_after(chosen);
      for (std::size_t k = 0; k < chosen.size(); ++k) {
        const auto [i, j] = chosen[k];
        const std::size_t a = group_of(i), b = group_of(j);
        if (!(now[2 * k] + now[2 * k + 1] - (kept_[a] + kept_[b]) > bound)) {
          cuda::check(
              cudaMemsetAsync(gain_.data() + i * places_ + j, 0, sizeof(double), exec_.stream()),
              what);
          next = place[k] + 1;
          break;
        }
        std::swap(channel_[i], channel_[j]);
        std::swap(slot_[i], slot_[j]);
        kept_[a] = now[2 * k];
        kept_[b] = now[2 * k + 1];
        touched[a] = touched[b] = true;
        changed.push_back(static_cast<std::uint32_t>(a));
        changed.push_back(static_cast<std::uint32_t>(b));
      }
    }
    if (changed.empty()) return false;
    refresh(changed);
    return true;
  }

 private:
  static constexpr const char* what = "cuda::block_shuffle";

  [[nodiscard]] std::size_t group_of(std::size_t place) const noexcept {
    return place / pattern_.m;
  }
  [[nodiscard]] static unsigned blocks_of(std::size_t n) noexcept {
    return static_cast<unsigned>((n + swap_threads - 1) / swap_threads);
  }
  [[nodiscard]] swap_block there() {
    return {static_cast<unsigned>(pattern_.n),
            static_cast<unsigned>(pattern_.m),
            static_cast<unsigned>(places_),
            static_cast<unsigned>(rows_),
            score_.data(),
            slot_there_.data(),
            bar_.data(),
            rest_.data(),
            kept_there_.data(),
            gain_.data()};
  }

  // Everything that depends on the groups listed.
  void refresh(const std::vector<std::uint32_t>& groups) {
    std::vector<std::uint8_t> fresh(kept_.size(), 0);
    for (const std::uint32_t g : groups) fresh[g] = 1;
    cuda::copy(exec_, vector_view<const std::uint32_t>(slot_), slot_there_.view());
    cuda::copy(exec_, vector_view<const std::uint8_t>(fresh), fresh_.view());
    cuda::copy(exec_, vector_view<const std::uint32_t>(groups),
               vector_view<std::uint32_t, device_space>(list_.data(), groups.size()));
    refresh_groups_kernel<<<static_cast<unsigned>(groups.size()), swap_threads, 0,
                            exec_.stream()>>>(there(), list_.data());
    constexpr std::size_t pairs = swap_threads / gain_lanes;  // of a block
    const dim3 grid(static_cast<unsigned>((places_ + pairs - 1) / pairs),
                    static_cast<unsigned>(places_));
    swap_gains_kernel<<<grid, swap_threads, 0, exec_.stream()>>>(there(), fresh_.data());
    cuda::check(cudaGetLastError(), what);
    cuda::copy(exec_, std::as_const(kept_there_).view(), vector_view<double>(kept_));
  }

  // Pairs that gain more than `bound`, the largest gains first, of equals the lower places.
  [[nodiscard]] std::vector<swap_pair> best_first(double bound) {
    const thrust::counting_iterator<std::uint32_t> entries(0);
    const worth_exchanging worth{gain_.data(), static_cast<std::uint32_t>(places_), bound};
    const auto all = static_cast<int>(places_ * places_);
    cuda::device_buffer<std::uint32_t> at(exec_.stream(), places_ * places_),
        count(exec_.stream(), 1);
    std::size_t bytes = 0;
    cuda::check(cub::DeviceSelect::If(nullptr, bytes, entries, at.data(), count.data(), all, worth,
                                      exec_.stream()),
                what);
    auto select_memory = exec_.allocate<std::byte>(bytes);
    cuda::check(cub::DeviceSelect::If(select_memory.data(), bytes, entries, at.data(), count.data(),
                                      all, worth, exec_.stream()),
                what);
    const std::uint32_t n = cuda::to_host(exec_, count)[0];
    std::vector<swap_pair> found(n);
    if (n == 0) return found;
    cuda::device_buffer<double> keys(exec_.stream(), n), sorted_keys(exec_.stream(), n);
    cuda::device_buffer<std::uint32_t> sorted(exec_.stream(), n);
    gather_gains_kernel<<<blocks_of(n), swap_threads, 0, exec_.stream()>>>(gain_.data(), at.data(),
                                                                           n, keys.data());
    cuda::check(cudaGetLastError(), what);
    const auto sort = [&](void* memory) {
      cuda::check(cub::DeviceRadixSort::SortPairsDescending(
                      memory, bytes, keys.data(), sorted_keys.data(), at.data(), sorted.data(),
                      static_cast<int>(n), 0, 64, exec_.stream()),
                  what);
    };
    sort(nullptr);
    auto sort_memory = exec_.allocate<std::byte>(bytes);
    sort(sort_memory.data());
    const buffer<std::uint32_t> places = cuda::to_host(exec_, sorted);
    for (std::size_t k = 0; k < n; ++k)
      found[k] = {places[k] / static_cast<std::uint32_t>(places_),
                  places[k] % static_cast<std::uint32_t>(places_)};
    return found;
  }

  // [2 · pairs]: what both groups of each pair would keep.
  [[nodiscard]] buffer<double> kept_after(const std::vector<swap_pair>& pairs) {
    if (pairs.empty()) return {};
    cuda::copy(exec_, vector_view<const std::uint32_t>(slot_), slot_there_.view());
    const cuda::device_buffer<swap_pair> listed =
        cuda::to_device(exec_, vector_view<const swap_pair>(pairs));
    cuda::device_buffer<double> now(exec_.stream(), 2 * pairs.size());
    exchanged_kept_kernel<<<dim3(static_cast<unsigned>(pairs.size()), 2), swap_threads, 0,
                            exec_.stream()>>>(there(), listed.data(), now.data());
    cuda::check(cudaGetLastError(), what);
    return cuda::to_host(exec_, now);
  }

  cuda::executor& exec_;
  nm_pattern pattern_;
  std::size_t places_, rows_;
  std::vector<std::uint32_t> channel_, slot_;  // [places]
  std::vector<double> kept_;                   // [groups]
  cuda::device_buffer<float> score_, bar_;     // [slots][rows], [places][rows]
  cuda::device_buffer<std::uint32_t> slot_there_, list_;
  cuda::device_buffer<std::uint8_t> fresh_;
  cuda::device_buffer<double> rest_, kept_there_, gain_;
};

}  // namespace SPARSELLM_CUDA_ARCHITECTURES
}  // namespace sparsellm::inline v0::detail::device::inline SPARSELLM_BASELINE
