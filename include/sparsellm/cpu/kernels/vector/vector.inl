// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of vectors. Included once per instruction set, inside its namespace and target
// region.

#include "sparsellm/cpu/kernels/vector/add_parts.inl"
#include "sparsellm/cpu/kernels/vector/silu.inl"

inline std::size_t compact_above(activation_input x, const float* scale, float tau,
                                 std::size_t first, std::size_t last, std::uint32_t* index,
                                 float* value) noexcept {
  return compact(x, scale, tau, first, last, index, value);
}

constexpr vector_table vector_kernels_of() noexcept {
  return {&compact_above, &silu_mul, &add_parts};
}
