// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of bricks. Included once per instruction set, inside its namespace and target region.

#include "sparsellm/cpu/kernels/brick/channel_runs.inl"
#include "sparsellm/cpu/kernels/brick/gemv.inl"
#include "sparsellm/cpu/kernels/brick/channel_batch.inl"
#include "sparsellm/cpu/kernels/brick/tile_walk.inl"
#include "sparsellm/cpu/kernels/brick/gemm.inl"

// constexpr: the pointers are constants of the program, and no code of this instruction set runs
// before it was chosen.
template <class T>
constexpr brick_table<T> brick_kernels_of() noexcept {
  return {&dense_gemv<T>, &channel_gemv<T>, &channel_batch<T>, &gemm<T>};
}
