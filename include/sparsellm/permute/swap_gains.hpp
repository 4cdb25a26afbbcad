// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What every exchange of two channels of a block would gain. For a row and a place i of a group,
// let bar be the N-th largest score of the group's other channels and rest the sum of the N − 1
// largest: with channel j in place of i the group keeps rest + max(bar, s_j). So the gain of a pair
// takes two maxima in each row, whatever N and M are. Rows are independent, and the loop over them
// vectorises.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The gains of all exchanges inside one block of channels. Borrows the executor; waits; allocates a
// map of gains [places][places] in double, and the scores of the block.
template <host_executor E>
class swap_gains {
 public:
  // channels [places]: which columns of scores [rows, channels] the block holds. Every p.m
  // neighbouring places are a group; the last one may be shorter. scores are read here and not
  // kept.
  swap_gains(E& exec, nm_pattern p, matrix_view<const float> scores,
             vector_view<const std::uint32_t> channels)
      : exec_(exec),
        pattern_(p),
        places_(channels.size()),
        rows_((scores.rows() + lanes - 1) / lanes * lanes),
        channel_(channels.begin(), channels.end()),
        score_(places_ * rows_, 0.0f),
        bar_(places_ * rows_, 0.0f),
        rest_(places_),
        kept_(p.groups(places_)),
        gain_(places_ * places_, 0.0) {
    exec_.parallel_for(places_, [&](std::size_t i) {
      for (std::size_t r = 0; r < scores.rows(); ++r) score(i)[r] = scores(r, channel_[i]);
    });
    std::vector<std::size_t> all(kept_.size());
    for (std::size_t g = 0; g < all.size(); ++g) all[g] = g;
    refresh(all);
  }

  // [places]: the channel at each place now.
  [[nodiscard]] const std::vector<std::uint32_t>& channels() const noexcept { return channel_; }

  // The sum of the scores that all groups keep, over all rows.
  [[nodiscard]] double kept() const noexcept {
    double sum = 0;
    for (const double k : kept_) sum += k;
    return sum;
  }

  // One round: makes the exchanges that gain more than `least` times kept(), best first, each group
  // at most once. Returns whether there was one.
  bool swap_best(double least) {
    struct exchange {
      double gain;
      std::uint32_t i, j;
    };
    const double bound = least * kept();
    std::vector<exchange> found;
    for (std::uint32_t i = 0; i < places_; ++i)
      for (std::uint32_t j = i + 1; j < places_; ++j)
        if (gain(i, j) > bound) found.push_back({gain(i, j), i, j});
    std::sort(found.begin(), found.end(), [](const exchange& a, const exchange& b) {
      return a.gain != b.gain ? a.gain > b.gain : a.i != b.i ? a.i < b.i : a.j < b.j;
    });
    std::vector<bool> touched(kept_.size(), false);
    std::vector<std::size_t> changed;
    for (const exchange& e : found) {
      const std::size_t a = e.i / pattern_.m, b = e.j / pattern_.m;
      if (touched[a] || touched[b]) continue;
      // Gains are sums of floats. What is really gained decides, so that the search ends.
      const double before = kept_[a] + kept_[b];
      exchange_places(e.i, e.j);
      const double now_a = keeps(a), now_b = keeps(b);
      if (now_a + now_b - before > bound) {
        kept_[a] = now_a;
        kept_[b] = now_b;
        touched[a] = touched[b] = true;
        changed.push_back(a);
        changed.push_back(b);
      } else {
        exchange_places(e.i, e.j);
        gain(e.i, e.j) = 0;
      }
    }
    if (changed.empty()) return false;
    std::sort(changed.begin(), changed.end());
    refresh(changed);
    return true;
  }

 private:
  static constexpr std::size_t lanes = 16;
  // Rows whose scores and bars of a block of 256 places stay in a 1 MiB L2 cache.
  static constexpr std::size_t chunk = 256;
  static constexpr float nothing = -std::numeric_limits<float>::infinity();

  [[nodiscard]] float* score(std::size_t i) noexcept { return score_.data() + i * rows_; }
  [[nodiscard]] float* bar(std::size_t i) noexcept { return bar_.data() + i * rows_; }
  [[nodiscard]] double& gain(std::size_t i, std::size_t j) noexcept {
    return gain_[i * places_ + j];
  }
  [[nodiscard]] std::size_t first(std::size_t group) const noexcept { return group * pattern_.m; }
  [[nodiscard]] std::size_t length(std::size_t group) const noexcept {
    return std::min(pattern_.m, places_ - first(group));
  }

  void exchange_places(std::size_t i, std::size_t j) {
    std::swap(channel_[i], channel_[j]);
    std::swap_ranges(score(i), score(i) + rows_, score(j));
  }

  // The group's scores in row r, largest first, and whose they are; of equals the earlier first.
  struct ranking {
    std::array<float, detail::longest_group> value;
    std::array<std::uint8_t, detail::longest_group> member;
  };
  void rank(std::size_t group, std::size_t r, ranking& out) noexcept {
    const std::size_t n = length(group);
    for (std::size_t k = 0; k < n; ++k) {
      const float v = score(first(group) + k)[r];
      std::size_t at = k;
      for (; at > 0 && out.value[at - 1] < v; --at) {
        out.value[at] = out.value[at - 1];
        out.member[at] = out.member[at - 1];
      }
      out.value[at] = v;
      out.member[at] = static_cast<std::uint8_t>(k);
    }
  }

  // What a group keeps over all rows, to the last bit a function of which channels it holds.
  [[nodiscard]] double keeps(std::size_t group) noexcept {
    ranking ranked;
    double sum = 0;
    for (std::size_t r = 0; r < rows_; ++r) {
      rank(group, r, ranked);
      for (std::size_t k = 0; k < std::min(pattern_.n, length(group)); ++k)
        sum += static_cast<double>(ranked.value[k]);
    }
    return sum;
  }

  // Bars, rests and kept scores of a group.
  void refresh_group(std::size_t group) {
    const std::size_t n = length(group), top = std::min(pattern_.n, n);
    ranking ranked;
    std::array<double, detail::longest_group> rest{};
    double kept = 0;
    for (std::size_t r = 0; r < rows_; ++r) {
      rank(group, r, ranked);
      double best = 0;  // of the top N
      for (std::size_t k = 0; k < top; ++k) best += static_cast<double>(ranked.value[k]);
      kept += best;
      for (std::size_t k = 0; k < n; ++k) {
        const std::size_t member = ranked.member[k];
        const bool inside = k < pattern_.n;
        // Without a member of the top N the others' N-th is the next one down.
        const std::size_t nth = inside ? pattern_.n : pattern_.n - 1;
        bar(first(group) + member)[r] = nth < n ? ranked.value[nth] : nothing;
        rest[member] += best - static_cast<double>(ranked.value[inside ? k : top - 1]);
      }
    }
    kept_[group] = kept;
    for (std::size_t k = 0; k < n; ++k) rest_[first(group) + k] = rest[k];
  }

  // Everything that depends on the groups listed.
  void refresh(const std::vector<std::size_t>& groups) {
    exec_.parallel_for(groups.size(), [&](std::size_t g) { refresh_group(groups[g]); });
    std::vector<std::uint8_t> fresh(kept_.size(), 0);
    for (const std::size_t g : groups) fresh[g] = 1;
    // Place i and its mirror image: together every task has as many pairs.
    exec_.parallel_for((places_ + 1) / 2, [&](std::size_t t) {
      refresh_pairs(t, fresh);
      if (places_ - 1 - t != t) refresh_pairs(places_ - 1 - t, fresh);
    });
  }

  void refresh_pairs(std::size_t i, const std::vector<std::uint8_t>& fresh) {
    const std::size_t mine = i / pattern_.m;
    std::vector<std::uint32_t> partners;
    for (std::size_t j = first(mine) + length(mine); j < places_; ++j)
      if (fresh[mine] != 0 || fresh[j / pattern_.m] != 0)
        partners.push_back(static_cast<std::uint32_t>(j));
    std::vector<double> sums(partners.size(), 0.0);
    for (std::size_t r = 0; r < rows_; r += chunk)
      for (std::size_t k = 0; k < partners.size(); ++k)
        sums[k] += static_cast<double>(exchanged(i, partners[k], r, std::min(chunk, rows_ - r)));
    for (std::size_t k = 0; k < partners.size(); ++k) {
      const std::size_t j = partners[k];
      gain(i, j) = sums[k] + rest_[i] + rest_[j] - kept_[mine] - kept_[j / pattern_.m];
    }
  }

  // The sum over rows [r, r + count) of max(bar of i, score of j) + max(bar of j, score of i).
  [[nodiscard]] float exchanged(std::size_t i, std::size_t j, std::size_t r,
                                std::size_t count) noexcept {
    const float* const bi = bar(i) + r;
    const float* const bj = bar(j) + r;
    const float* const si = score(i) + r;
    const float* const sj = score(j) + r;
    float sum[lanes] = {};
    for (std::size_t k = 0; k < count; k += lanes)
      for (std::size_t l = 0; l < lanes; ++l) {
        const float a = bi[k + l] > sj[k + l] ? bi[k + l] : sj[k + l];
        const float b = bj[k + l] > si[k + l] ? bj[k + l] : si[k + l];
        sum[l] += a + b;
      }
    for (std::size_t width = lanes / 2; width != 0; width /= 2)
      for (std::size_t l = 0; l < width; ++l) sum[l] += sum[l + width];
    return sum[0];
  }

  E& exec_;
  nm_pattern pattern_;
  std::size_t places_, rows_;
  std::vector<std::uint32_t> channel_;  // [places]
  buffer<float> score_, bar_;           // [places][rows], rows padded with zeros
  std::vector<double> rest_, kept_;     // [places], [groups]: over all rows
  buffer<double> gain_;                 // [places][places], i before j and of other groups
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
