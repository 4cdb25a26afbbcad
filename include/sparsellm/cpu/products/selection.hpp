// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What sparsifiers leave of an input, in the two forms that products take: a compacted list, or a
// copy with zeros. Products see sparsifiers through `selection`, their types forgotten, and so are
// compiled once for all of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/kernels/vector.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/stacked.hpp"

namespace sparsellm::inline v0::detail {

// Kernels store whole vectors of compacted channels; this many entries may follow the last.
inline constexpr std::size_t compaction_slack = 16;

// One token's input: x, x that RMSNorm still has to pass, or channels that are listed already (then
// `listed.index` is not null and x is).
struct token_input {
  activation_input dense;
  active_view<> listed;
};

// The inputs of a batch, `stride` floats from one token's x to the next's.
struct token_inputs {
  token_input first;
  std::size_t stride;
  [[nodiscard]] SPARSELLM_INLINE token_input operator[](std::size_t token) const noexcept {
    token_input t = first;
    if (t.dense.x != nullptr) t.dense.x += token * stride;
    return t;
  }
};

// Appends the channels of [first, last) that a sparsifier keeps; returns how many. out [last -
// first] = x where it is kept, else 0.
using list_function = std::size_t (*)(const void* keep, cpu::isa isa, const token_input& x,
                                      std::size_t first, std::size_t last, std::uint32_t* index,
                                      float* value);
using zero_function = void (*)(const void* keep, const token_input& x, std::size_t first,
                               std::size_t last, float* out);

// A sparsifier for each section of the outputs, borrowed. Sections ascend without gaps and cover
// the outputs that are wanted: all of them, or a slice.
struct selection {
  struct section {
    std::size_t first, last;
    const void* keep;
  };
  section sections[most_sections];
  std::size_t count;
  bool keeps_all;  // nothing is skipped
  list_function list;
  zero_function zero;
};

static_assert(std::is_trivially_copyable_v<selection> &&
              std::is_trivially_copyable_v<token_inputs>);

}  // namespace sparsellm::inline v0::detail

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

[[nodiscard]] inline token_inputs inputs_of(vector_view<const float> x) noexcept {
  return {{{x.data(), nullptr, 1.0f}, {}}, 0};
}
[[nodiscard]] inline token_inputs inputs_of(const normalised& x) noexcept {
  return {{{x.data(), x.gain, x.factor}, {}}, 0};
}
[[nodiscard]] inline token_inputs inputs_of(active_view<> x) noexcept {
  // A list without entries still is one.
  static constexpr std::uint32_t none = 0;
  if (x.index == nullptr) x.index = &none;
  return {{{nullptr, nullptr, 1.0f}, x}, 0};
}
[[nodiscard]] inline token_inputs inputs_of(matrix_view<const float> x) noexcept {
  return {{{x.data(), nullptr, 1.0f}, {}}, x.stride()};
}

// The entries of a compacted list that lie in [first, last).
[[nodiscard]] inline std::size_t copy_range(active_view<> active, std::size_t first,
                                            std::size_t last, std::uint32_t* index,
                                            float* value) noexcept {
  const std::uint32_t* const end = active.index + active.count;
  const std::uint32_t* const from =
      std::lower_bound(active.index, end, static_cast<std::uint32_t>(first));
  const std::uint32_t* const to = std::lower_bound(from, end, static_cast<std::uint32_t>(last));
  std::copy(from, to, index);
  std::copy(active.value + (from - active.index), active.value + (to - active.index), value);
  return static_cast<std::size_t>(to - from);
}

// The same as a copy with zeros.
inline void scatter_range(active_view<> active, std::size_t first, std::size_t last,
                          float* out) noexcept {
  std::fill(out, out + (last - first), 0.0f);
  const std::uint32_t* const end = active.index + active.count;
  for (const std::uint32_t* i =
           std::lower_bound(active.index, end, static_cast<std::uint32_t>(first));
       i != end && *i < last; ++i)
    out[*i - first] = active.value[i - active.index];
}

// Channels that are listed already all stay: multiply() takes lists without a sparsifier.
template <pointwise_sparsifier S>
std::size_t list_kept(const void* keep, cpu::isa isa, const token_input& x, std::size_t first,
                      std::size_t last, std::uint32_t* index, float* value) {
  if (x.listed.index != nullptr) return copy_range(x.listed, first, last, index, value);
  [[maybe_unused]] const S& s = *static_cast<const S*>(keep);
  if constexpr (std::is_same_v<S, teal>) {
    return vector_kernels(isa).compact_above(x.dense, nullptr, s.select.tau, first, last, index,
                                             value);
  } else if constexpr (std::is_same_v<S, sparsifier<column_scaled, above>>) {
    return vector_kernels(isa).compact_above(x.dense, s.score.scale, s.select.tau, first, last,
                                             index, value);
  } else {
    std::size_t n = 0;
    for (std::size_t c = first; c < last; ++c) {
      const float v =
          x.dense.gain != nullptr ? x.dense.x[c] * x.dense.factor * x.dense.gain[c] : x.dense.x[c];
      if (!s.keeps(v, c)) continue;
      index[n] = static_cast<std::uint32_t>(c);
      value[n++] = v;
    }
    return n;
  }
}

template <pointwise_sparsifier S, class X>
void zero_skipped(const S& s, const X& x, std::size_t first, std::size_t last,
                  float* out) noexcept {
  for (std::size_t c = first; c < last; ++c) {
    const float v = x(c);
    out[c - first] = s.keeps(v, c) ? v : 0.0f;
  }
}

template <pointwise_sparsifier S>
void zero_others(const void* keep, const token_input& x, std::size_t first, std::size_t last,
                 float* out) {
  if (x.listed.index != nullptr) return scatter_range(x.listed, first, last, out);
  const S& s = *static_cast<const S*>(keep);
  if constexpr (std::is_same_v<S, sparsifier<column_scaled, above>>)
    if (s.score.scale == nullptr) {  // a loop without the scale vectorises
      const teal plain{magnitude{}, s.select};
      return zero_others<teal>(&plain, x, first, last, out);
    }
  const activation_input& in = x.dense;
  if (in.gain == nullptr)
    zero_skipped(s, [in](std::size_t c) { return in.x[c]; }, first, last, out);
  else
    zero_skipped(
        s, [in](std::size_t c) { return in.x[c] * in.factor * in.gain[c]; }, first, last, out);
}

// Whether two sparsifiers are known to keep the same.
template <pointwise_sparsifier S>
[[nodiscard]] bool same(const S& a, const S& b) noexcept {
  if constexpr (std::is_same_v<S, keep_all>)
    return true;
  else if constexpr (std::is_same_v<S, teal>)
    return a.select.tau == b.select.tau;
  else if constexpr (std::is_same_v<S, sparsifier<column_scaled, above>>)
    return a.select.tau == b.select.tau && a.score.scale == b.score.scale;
  else
    return false;
}

// Neighbours that keep the same are one section.
template <pointwise_sparsifier S>
[[nodiscard]] selection select_by(const stacked<S>& s) noexcept {
  selection out{};
  for (std::size_t i = 0; i < s.count; ++i) {
    if (i != 0 && same(s.sections[i].keep, s.sections[i - 1].keep))
      out.sections[out.count - 1].last = s.sections[i].last;
    else
      out.sections[out.count++] = {s.sections[i].first, s.sections[i].last, &s.sections[i].keep};
  }
  out.keeps_all = std::is_same_v<S, keep_all>;
  out.list = &list_kept<S>;
  out.zero = &zero_others<S>;
  return out;
}

// One sparsifier for the outputs [first, last); borrowed.
template <pointwise_sparsifier S>
[[nodiscard]] selection select_by(const S& s, std::size_t first, std::size_t last) noexcept {
  const section<S> all{first, last, s};
  selection out = select_by(stacked<S>{&all, 1});
  out.sections[0].keep = &s;
  return out;
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
