// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// E-Sparse's local block shuffle (arXiv 2310.15929, section 3): inside blocks of channels, pairs of
// different groups change places as long as the N:M mask then keeps more. Best gain first, as apex
// does (Pool and Yu, NeurIPS 2021); the result does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/permute/swap_gains.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// How far and how long block_shuffle() looks.
struct block_shuffle_options {
  std::size_t block = 256;   // channels that may change places, rounded down to whole groups
  double least_gain = 1e-9;  // of the block's kept score; smaller gains end the search
};

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Lets a search run to its end.
struct to_the_end {
  bool operator()(double) const noexcept { return true; }
};

// block_shuffle() below, wherever the gains are computed: gains_of(channels [count]) makes what
// swap_gains is for a block.
template <std::predicate<double> GoOn, class GainsOf>
[[nodiscard]] channel_order shuffle_blocks(nm_pattern p, std::size_t channels,
                                           const channel_order& start,
                                           const block_shuffle_options& how, GoOn&& go_on,
                                           const GainsOf& gains_of) {
  check(p);
  require<shape_error>(start.size() == channels, "block_shuffle: an order of ", channels,
                       " channels expected, got ", start.size());
  require<value_error>(how.block >= p.m, "block_shuffle: blocks of at least ", p.m,
                       " channels expected, got ", how.block);
  const std::size_t length = how.block / p.m * p.m;
  const auto ends_at = [&](std::size_t done) {
    return !go_on(static_cast<double>(done) / static_cast<double>(channels));
  };
  std::vector<std::uint32_t> at = start.channels();
  bool ended = false;
  for (std::size_t first = 0; first < channels && !ended; first += length) {
    const std::size_t count = std::min(length, channels - first);
    auto gains = gains_of(vector_view<const std::uint32_t>(at.data() + first, count));
    do {
      ended = ends_at(first);
    } while (!ended && gains.swap_best(how.least_gain));
    std::copy(gains.channels().begin(), gains.channels().end(),
              at.begin() + static_cast<std::ptrdiff_t>(first));
  }
  if (!ended) (void)ends_at(channels);
  return channel_order(std::move(at));
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// From `start`, an order of scores [rows, channels]' columns, to one whose mask keeps at least as
// much. go_on(share of the channels that are done, in [0, 1]) is asked before every exchange, and
// with 1 at the end: where it says no the search ends with the best so far (a limit of time), where
// it throws nothing is returned. Throws shape_error when the sizes differ, value_error for a
// pattern that is none or a block shorter than a group.
template <host_executor E, std::predicate<double> GoOn = detail::to_the_end>
[[nodiscard]] channel_order block_shuffle(E& exec, nm_pattern p, matrix_view<const float> scores,
                                          const channel_order& start,
                                          const block_shuffle_options& how = {},
                                          GoOn&& go_on = {}) {
  return detail::shuffle_blocks(p, scores.cols(), start, how, go_on,
                                [&](vector_view<const std::uint32_t> channels) {
                                  return swap_gains<E>(exec, p, scores, channels);
                                });
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
