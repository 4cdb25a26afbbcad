// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of N:M weights. Included once per instruction set, inside its namespace and target
// region. A set that expands by a mask says so with SPARSELLM_EXPANDS_BYTES.

#include "sparsellm/cpu/kernels/nm/next_strip.inl"
#include "sparsellm/cpu/kernels/nm/levels.inl"
#include "sparsellm/cpu/kernels/nm/floats.inl"
#include "sparsellm/cpu/kernels/nm/expand.inl"
#if defined(SPARSELLM_EXPANDS_BYTES)
#include "sparsellm/cpu/kernels/nm/expand_vbmi2.inl"
#endif

template <class T>
constexpr auto expansion_of() noexcept {
#if defined(SPARSELLM_EXPANDS_BYTES)
  if constexpr (std::is_same_v<typename expanded<T>::type, bfloat16>)
    return &expand_bricks_by_mask<T>;
  else
#endif
    return &expand_bricks<T>;
}

template <class T>
constexpr nm_table<T> nm_kernels_of() noexcept {
  if constexpr (std::is_same_v<T, std::int8_t>)
    return {&arrange_levels, &level_strips<T>, expansion_of<T>()};
  else
    return {&arrange_lanes<T>, &nm_strips<T>, expansion_of<T>()};
}
