// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of bricks of every instruction set, and the choice between them.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/isa.hpp"
#include "sparsellm/cpu/isa/vocabulary.hpp"
#include "sparsellm/cpu/kernels/brick_table.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

#define SPARSELLM_FAMILY SPARSELLM_FAMILY_BRICK
#define SPARSELLM_FAMILY_TABLE brick_kernels_of
#define SPARSELLM_KERNELS "sparsellm/cpu/kernels/brick/brick.inl"
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_KERNELS
#undef SPARSELLM_FAMILY_TABLE
#undef SPARSELLM_FAMILY

// On an instruction set that supported() says is there.
template <storage_scalar T>
[[nodiscard]] const brick_table<T>& brick_kernels(cpu::isa i) noexcept {
  static constexpr brick_table<T> tables[] = {
#define SPARSELLM_ISA_ROW(name, home, here) home::brick_kernels_of<T>(),
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_ISA_ROW
  };
  return tables[static_cast<std::size_t>(i)];
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
