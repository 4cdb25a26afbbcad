// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AMX's tiles of bfloat16, which large batches use; AVX-512 with BF16 for everything else. Linux
// gives the tiles to those who ask: tile_permission.hpp.

#if defined(SPARSELLM_ISA_ROW)
#if SPARSELLM_ARCH_X86
SPARSELLM_ISA_ROW(amx_bf16, amx_bf16,
                  supported(isa::avx512_bf16) && detail::cpuid::saved(0x60000) &&
                      detail::cpuid::bit(7, 0, 3, 22) &&  // AMX-BF16, AMX-TILE
                      detail::cpuid::bit(7, 0, 3, 24) && detail::tiles_permitted())
#else
SPARSELLM_ISA_ROW(amx_bf16, scalar, false)
#endif
#elif SPARSELLM_ARCH_X86
#if defined(SPARSELLM_KERNELS) && SPARSELLM_FAMILY == SPARSELLM_FAMILY_BRICK
SPARSELLM_TARGET_BEGIN(
    "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")
namespace amx_bf16 {
using avx512::merge_outputs;
using avx512_bf16::pair_tile;
#include "sparsellm/cpu/kernels/brick/tiles.inl"
// Two kernels more than AVX-512-BF16 has, for one type.
template <class T>
constexpr brick_table<T> brick_kernels_of() noexcept {
  brick_table<T> kernels = avx512_bf16::brick_kernels_of<T>();
  if constexpr (std::is_same_v<T, bfloat16>) {
    kernels.arrange = &arrange_tiles;
    kernels.tiles = &multiply_tiles<T>;
  }
  return kernels;
}
}  // namespace amx_bf16
SPARSELLM_TARGET_END
#elif defined(SPARSELLM_KERNELS)
namespace amx_bf16 {
using avx512_bf16::SPARSELLM_FAMILY_TABLE;
}  // namespace amx_bf16
#endif
#endif
