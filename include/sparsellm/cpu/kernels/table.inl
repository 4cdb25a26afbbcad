// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What this instruction set puts into the kernel table.

inline std::size_t compact_above(compacted_input x, const float* scale, float tau,
                                 std::size_t first, std::size_t last, std::uint32_t* index,
                                 float* value) noexcept {
  return compact(x, scale, tau, first, last, index, value);
}

// constexpr: the pointers are constants of the program, and no code of this instruction set runs
// before it was chosen.
template <class T>
constexpr kernel_table<T> table() noexcept {
  return {&dense_gemv<T>, &channel_gemv<T>, &channel_batch<T>, &gemm<T>,
          &row_dots<T>,   &compact_above,   &silu_mul,         &add_parts};
}
