// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// N:M sparsity: of every M neighbouring input channels, each output keeps N.
#pragma once

#include <cstddef>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm::inline v0 {

// "2:4" keeps 2 of 4. (Wanda's and apex's options count what is pruned instead.)
struct nm_pattern {
  std::size_t n = 2;
  std::size_t m = 4;
  friend constexpr bool operator==(const nm_pattern&, const nm_pattern&) = default;

  // How many groups `inputs` channels are, and how many weights each output keeps of them. The last
  // group may be shorter than M; it keeps N weights, or all where it has fewer.
  [[nodiscard]] SPARSELLM_INLINE constexpr std::size_t groups(std::size_t inputs) const noexcept {
    return (inputs + m - 1) / m;
  }
  [[nodiscard]] SPARSELLM_INLINE constexpr std::size_t kept(std::size_t inputs) const noexcept {
    const std::size_t rest = inputs % m;
    return inputs / m * n + (rest < n ? rest : n);
  }
};

}  // namespace sparsellm::inline v0

namespace sparsellm::inline v0::detail {

// The most channels that a group may have: the largest M.
inline constexpr std::size_t longest_group = 32;

}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// Checks a pattern: throws value_error unless 1 <= N < M <= 32.
inline void check(nm_pattern p) {
  require<value_error>(p.n >= 1 && p.n < p.m && p.m <= detail::longest_group,
                       "N:M: 1 <= N < M <= ", detail::longest_group, " expected, got ", p.n, ":",
                       p.m);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
