// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of channel bitmaps. Included once per instruction set, inside its namespace and
// target region. A set that expands bytes by a mask says so with SPARSELLM_EXPANDS_BYTES.

#include "sparsellm/cpu/kernels/bitmap/walk.inl"
#if defined(SPARSELLM_EXPANDS_BYTES)
#include "sparsellm/cpu/kernels/bitmap/levels_vbmi2.inl"
#include "sparsellm/cpu/kernels/bitmap/expand_vbmi2.inl"
#else
#include "sparsellm/cpu/kernels/bitmap/levels.inl"
#endif
#include "sparsellm/cpu/kernels/bitmap/floats.inl"
#include "sparsellm/cpu/kernels/bitmap/batch.inl"
#if defined(SPARSELLM_EXPANDS_BYTES)
#include "sparsellm/cpu/kernels/bitmap/levels_batch_vbmi2.inl"
#endif
#include "sparsellm/cpu/kernels/bitmap/expand.inl"

template <class T>
constexpr bitmap_table<T> bitmap_kernels_of() noexcept {
  if constexpr (std::is_same_v<T, std::int8_t>)
#if defined(SPARSELLM_EXPANDS_BYTES)
    return {&bitmap_levels<T>, &expand_strips<T>, &bitmap_levels_batch<T>};
#else
    return {&bitmap_levels<T>, &expand_strips<T>};
#endif
  else
    return {&bitmap_floats<T>, &expand_strips<T>, &bitmap_batch<T>};
}
