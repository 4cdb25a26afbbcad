// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiles the kernels once for every instruction set the compiler knows, each in a namespace of
// its own, and picks the table for the one that runs. A new instruction set is a file in simd/, a
// block here and a line in cpu/isa.hpp.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/isa.hpp"
#include "sparsellm/cpu/bitmap_table.hpp"
#include "sparsellm/cpu/expand_tables.hpp"
#include "sparsellm/cpu/kernel_table.hpp"
#include "sparsellm/cpu/masked_table.hpp"
#include "sparsellm/cpu/quantized_table.hpp"
#include "sparsellm/cpu/target.hpp"
#include "sparsellm/multiply/summation.hpp"
#include "sparsellm/pack/bitmap_weight.hpp"
#include "sparsellm/pack/masked_weight.hpp"
#include "sparsellm/pack/output_group.hpp"
#include "sparsellm/pack/quantized_weight.hpp"
#include "sparsellm/sparsify/active_set.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

SPARSELLM_INLINE void prefetch_l2(const void* p) noexcept { __builtin_prefetch(p, 0, 2); }

// Branch-free: the store always happens, the count says whether it stays.
SPARSELLM_INLINE std::size_t compact_scalar(compacted_input x, const float* scale, float tau,
                                            std::size_t first, std::size_t last,
                                            std::uint32_t* index, float* value) noexcept {
  std::size_t n = 0;
  for (std::size_t c = first; c < last; ++c) {
    const float v = x.gain != nullptr ? x.x[c] * x.factor * x.gain[c] : x.x[c];
    const float score = std::fabs(v) * (scale != nullptr ? scale[c] : 1.0f);
    index[n] = static_cast<std::uint32_t>(c);
    value[n] = v;
    n += !(score <= tau) ? 1 : 0;
  }
  return n;
}

// Four times four levels, each four as two words of 16-bit levels: the even channels and the odd.
SPARSELLM_INLINE void pack_even_odd(const std::int32_t* level, std::uint32_t* word) noexcept {
  for (std::size_t f = 0; f < 4; ++f)
    for (std::size_t i = 0; i < 2; ++i)
      word[2 * f + i] = (static_cast<std::uint32_t>(level[4 * f + i]) & 0xffffu) |
                        static_cast<std::uint32_t>(level[4 * f + i + 2]) << 16;
}

namespace scalar {
#include "sparsellm/cpu/simd/scalar.inl"
#include "sparsellm/cpu/kernels/gemv.inl"
#include "sparsellm/cpu/kernels/channel_batch.inl"
#include "sparsellm/cpu/kernels/gemm.inl"
#include "sparsellm/cpu/kernels/quantized.inl"
#include "sparsellm/cpu/kernels/row_dots.inl"
#include "sparsellm/cpu/kernels/silu.inl"
#include "sparsellm/cpu/kernels/table.inl"
#include "sparsellm/cpu/kernels/masked_levels.inl"
#include "sparsellm/cpu/kernels/masked.inl"
#include "sparsellm/cpu/kernels/bitmap_walk.inl"
#include "sparsellm/cpu/kernels/bitmap_levels.inl"
#include "sparsellm/cpu/kernels/bitmap.inl"
}  // namespace scalar

#if SPARSELLM_ARCH_ARM64
namespace neon {
#include "sparsellm/cpu/simd/neon.inl"
#include "sparsellm/cpu/kernels/gemv.inl"
#include "sparsellm/cpu/kernels/channel_batch.inl"
#include "sparsellm/cpu/kernels/gemm.inl"
#include "sparsellm/cpu/kernels/quantized.inl"
#include "sparsellm/cpu/kernels/row_dots.inl"
#include "sparsellm/cpu/kernels/silu.inl"
#include "sparsellm/cpu/kernels/table.inl"
#include "sparsellm/cpu/kernels/masked_levels.inl"
#include "sparsellm/cpu/kernels/masked.inl"
#include "sparsellm/cpu/kernels/bitmap_walk.inl"
#include "sparsellm/cpu/kernels/bitmap_levels.inl"
#include "sparsellm/cpu/kernels/bitmap.inl"
}  // namespace neon
#endif

#if SPARSELLM_ARCH_X86
SPARSELLM_TARGET_BEGIN("avx2,fma,f16c")
namespace avx2 {
#include "sparsellm/cpu/simd/avx2.inl"
#include "sparsellm/cpu/kernels/gemv.inl"
#include "sparsellm/cpu/kernels/channel_batch.inl"
#include "sparsellm/cpu/kernels/gemm.inl"
#include "sparsellm/cpu/kernels/quantized.inl"
#include "sparsellm/cpu/kernels/row_dots.inl"
#include "sparsellm/cpu/kernels/silu.inl"
#include "sparsellm/cpu/kernels/table.inl"
#include "sparsellm/cpu/kernels/masked_levels.inl"
#include "sparsellm/cpu/kernels/masked.inl"
#include "sparsellm/cpu/kernels/bitmap_walk.inl"
#include "sparsellm/cpu/kernels/bitmap_levels.inl"
#include "sparsellm/cpu/kernels/bitmap.inl"
}  // namespace avx2
SPARSELLM_TARGET_END

SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
namespace avx512 {
#include "sparsellm/cpu/simd/avx512.inl"
#include "sparsellm/cpu/simd/avx512_madd.inl"
#include "sparsellm/cpu/simd/avx512_expand.inl"
#include "sparsellm/cpu/kernels/gemv.inl"
#include "sparsellm/cpu/kernels/channel_batch.inl"
#include "sparsellm/cpu/kernels/gemm.inl"
#include "sparsellm/cpu/kernels/quantized.inl"
#include "sparsellm/cpu/kernels/row_dots.inl"
#include "sparsellm/cpu/kernels/silu.inl"
#include "sparsellm/cpu/kernels/table.inl"
#include "sparsellm/cpu/kernels/masked_levels.inl"
#include "sparsellm/cpu/kernels/masked.inl"
#include "sparsellm/cpu/kernels/bitmap_walk.inl"
#include "sparsellm/cpu/kernels/bitmap_levels.inl"
#include "sparsellm/cpu/kernels/bitmap.inl"
}  // namespace avx512
SPARSELLM_TARGET_END

SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
namespace avx512_vnni {
using avx512::add;
using avx512::broadcast;
using avx512::every_lane;
using avx512::interleave;
using avx512::lanes;
using avx512::load;
using avx512::load_row;
using avx512::mul;
using avx512::mul_add;
using avx512::store;
using avx512::vbytes;
using avx512::vfloat;
#include "sparsellm/cpu/simd/avx512_vnni.inl"
#include "sparsellm/cpu/kernels/quantized.inl"
}  // namespace avx512_vnni
SPARSELLM_TARGET_END

SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi2")
namespace avx512_vbmi2 {
using avx512::add;
using avx512::add_neighbours;
using avx512::add_tree;
using avx512::broadcast;
using avx512::every_lane;
using avx512::high_half;
using avx512::lanes;
using avx512::load;
using avx512::mul_add;
using avx512::store;
using avx512::vfloat;
using avx512::zero;
#include "sparsellm/cpu/simd/avx512_vbmi2.inl"
#include "sparsellm/cpu/kernels/masked_levels.inl"
#include "sparsellm/cpu/kernels/masked.inl"
#include "sparsellm/cpu/kernels/bitmap_walk.inl"
#include "sparsellm/cpu/kernels/bitmap_vbmi2.inl"
#include "sparsellm/cpu/kernels/bitmap.inl"
}  // namespace avx512_vbmi2
SPARSELLM_TARGET_END

SPARSELLM_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
namespace avx512_bf16 {
using avx512::every_lane;
using avx512::gemm;
using avx512::gemm_tokens;
using avx512::high_half;
using avx512::merge_outputs;
using avx512::store;
using avx512::zero;
#include "sparsellm/cpu/kernels/gemm_bf16.inl"
// One kernel differs from AVX-512's, for one type.
template <class T>
constexpr kernel_table<T> table() noexcept {
  kernel_table<T> kernels = avx512::table<T>();
  if constexpr (std::is_same_v<T, bfloat16>) kernels.gemm = &gemm_bf16;
  return kernels;
}
}  // namespace avx512_bf16
SPARSELLM_TARGET_END
#endif

// The kernels for T on an instruction set that supported() says is there.
template <storage_scalar T>
[[nodiscard]] const kernel_table<T>& kernels_for(isa i) noexcept {
#if SPARSELLM_ARCH_X86
  static constexpr kernel_table<T> tables[] = {
      scalar::table<T>(), scalar::table<T>(), avx2::table<T>(),       avx512::table<T>(),
      avx512::table<T>(), avx512::table<T>(), avx512_bf16::table<T>()};
#elif SPARSELLM_ARCH_ARM64
  static constexpr kernel_table<T> tables[] = {scalar::table<T>(), neon::table<T>()};
#else
  static constexpr kernel_table<T> tables[] = {scalar::table<T>()};
#endif
  return tables[static_cast<std::size_t>(i)];
}

// The same for quantised weights.
template <int Bits, bool Affine>
[[nodiscard]] const quantized_table<Bits, Affine>& quantized_kernels_for(isa i) noexcept {
#if SPARSELLM_ARCH_X86
  static constexpr quantized_table<Bits, Affine> tables[] = {
      scalar::quantized_kernels<Bits, Affine>(),
      scalar::quantized_kernels<Bits, Affine>(),
      avx2::quantized_kernels<Bits, Affine>(),
      avx512::quantized_kernels<Bits, Affine>(),
      avx512_vnni::quantized_kernels<Bits, Affine>(),
      avx512_vnni::quantized_kernels<Bits, Affine>(),
      avx512_vnni::quantized_kernels<Bits, Affine>()};
#elif SPARSELLM_ARCH_ARM64
  static constexpr quantized_table<Bits, Affine> tables[] = {
      scalar::quantized_kernels<Bits, Affine>(), neon::quantized_kernels<Bits, Affine>()};
#else
  static constexpr quantized_table<Bits, Affine> tables[] = {
      scalar::quantized_kernels<Bits, Affine>()};
#endif
  return tables[static_cast<std::size_t>(i)];
}

// The same for N:M weights.
template <class T>
[[nodiscard]] const masked_table<T>& masked_kernels_for(isa i) noexcept {
#if SPARSELLM_ARCH_X86
  static constexpr masked_table<T> tables[] = {
      scalar::masked_kernels<T>(),      scalar::masked_kernels<T>(),
      avx2::masked_kernels<T>(),        avx512::masked_kernels<T>(),
      avx512::masked_kernels<T>(),      avx512_vbmi2::masked_kernels<T>(),
      avx512_vbmi2::masked_kernels<T>()};
#elif SPARSELLM_ARCH_ARM64
  static constexpr masked_table<T> tables[] = {scalar::masked_kernels<T>(),
                                               neon::masked_kernels<T>()};
#else
  static constexpr masked_table<T> tables[] = {scalar::masked_kernels<T>()};
#endif
  return tables[static_cast<std::size_t>(i)];
}

// The same for channel bitmaps.
template <class T>
[[nodiscard]] const bitmap_table<T>& bitmap_kernels_for(isa i) noexcept {
#if SPARSELLM_ARCH_X86
  static constexpr bitmap_table<T> tables[] = {
      scalar::bitmap_kernels<T>(),      scalar::bitmap_kernels<T>(),
      avx2::bitmap_kernels<T>(),        avx512::bitmap_kernels<T>(),
      avx512::bitmap_kernels<T>(),      avx512_vbmi2::bitmap_kernels<T>(),
      avx512_vbmi2::bitmap_kernels<T>()};
#elif SPARSELLM_ARCH_ARM64
  static constexpr bitmap_table<T> tables[] = {scalar::bitmap_kernels<T>(),
                                               neon::bitmap_kernels<T>()};
#else
  static constexpr bitmap_table<T> tables[] = {scalar::bitmap_kernels<T>()};
#endif
  return tables[static_cast<std::size_t>(i)];
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
