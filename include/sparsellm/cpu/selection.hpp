// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a sparsifier leaves of an input, in the two forms that products take: a compacted list, or a
// copy with zeros.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/kernel_table.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

// Kernels store whole vectors of compacted channels; this many entries may follow the last.
inline constexpr std::size_t compaction_slack = active_set::slack;

[[nodiscard]] inline compacted_input compacted(vector_view<const float> x) noexcept {
  return {x.data(), nullptr, 1.0f};
}
[[nodiscard]] inline compacted_input compacted(const normalised& x) noexcept {
  return {x.data(), x.gain, x.factor};
}

// Appends the channels of [first, last) that s keeps; returns how many. X: a vector_view or
// `normalised`.
template <class T, pointwise_sparsifier S, class X>
[[nodiscard]] std::size_t compact(const kernel_table<T>& kernels, const S& s, const X& x,
                                  std::size_t first, std::size_t last, std::uint32_t* index,
                                  float* value) noexcept {
  if constexpr (std::is_same_v<S, teal>) {
    return kernels.compact_above(compacted(x), nullptr, s.select.tau, first, last, index, value);
  } else if constexpr (std::is_same_v<S, sparsifier<column_scaled, above>>) {
    return kernels.compact_above(compacted(x), s.score.scale, s.select.tau, first, last, index,
                                 value);
  } else {
    std::size_t n = 0;
    for (std::size_t c = first; c < last; ++c) {
      const float v = x[c];
      if (s.keeps(v, c)) {
        index[n] = static_cast<std::uint32_t>(c);
        value[n++] = v;
      }
    }
    return n;
  }
}

// The entries of a compacted list that lie in [first, last).
[[nodiscard]] inline std::size_t copy_range(active_view active, std::size_t first, std::size_t last,
                                            std::uint32_t* index, float* value) noexcept {
  const std::uint32_t* const end = active.index + active.count;
  const std::uint32_t* const from =
      std::lower_bound(active.index, end, static_cast<std::uint32_t>(first));
  const std::uint32_t* const to = std::lower_bound(from, end, static_cast<std::uint32_t>(last));
  std::copy(from, to, index);
  std::copy(active.value + (from - active.index), active.value + (to - active.index), value);
  return static_cast<std::size_t>(to - from);
}

// out [last - first] = x where s keeps it, else 0: what formats that cannot skip multiply with.
template <pointwise_sparsifier S, class X>
void mask(const S& s, const X& x, std::size_t first, std::size_t last, float* out) noexcept {
  if constexpr (std::is_same_v<S, sparsifier<column_scaled, above>>)
    if (s.score.scale == nullptr)  // a loop without the scale vectorises
      return mask(teal{magnitude{}, s.select}, x, first, last, out);
  for (std::size_t c = first; c < last; ++c) {
    const float v = x[c];
    out[c - first] = s.keeps(v, c) ? v : 0.0f;
  }
}

// The same for channels that are listed already; every listed one stays.
inline void mask(keep_all, active_view active, std::size_t first, std::size_t last,
                 float* out) noexcept {
  std::fill(out, out + (last - first), 0.0f);
  const std::uint32_t* const end = active.index + active.count;
  for (const std::uint32_t* i =
           std::lower_bound(active.index, end, static_cast<std::uint32_t>(first));
       i != end && *i < last; ++i)
    out[*i - first] = active.value[i - active.index];
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
