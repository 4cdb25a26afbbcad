// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of N:M weights. Included once per instruction set, inside its namespace and target
// region.

#include "sparsellm/cpu/kernels/nm/next_strip.inl"
#include "sparsellm/cpu/kernels/nm/levels.inl"
#include "sparsellm/cpu/kernels/nm/floats.inl"

template <class T>
constexpr nm_table<T> nm_kernels_of() noexcept {
  if constexpr (std::is_same_v<T, std::int8_t>)
    return {&arrange_levels, &level_strips<T>};
  else
    return {&arrange_lanes<T>, &nm_strips<T>};
}
