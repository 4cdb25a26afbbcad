// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of vectors of every instruction set, and the choice between them. In the compiled
// library where there is one.
#pragma once

#include "sparsellm/core/compiled.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/isa.hpp"
#include "sparsellm/cpu/kernels/vector_table.hpp"

#if SPARSELLM_DEFINES_VECTORS

#include "sparsellm/cpu/isa/vocabulary.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

#define SPARSELLM_FAMILY SPARSELLM_FAMILY_VECTOR
#define SPARSELLM_FAMILY_TABLE vector_kernels_of
#define SPARSELLM_KERNELS "sparsellm/cpu/kernels/vector/vector.inl"
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_KERNELS
#undef SPARSELLM_FAMILY_TABLE
#undef SPARSELLM_FAMILY

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE

#endif

namespace SPARSELLM_PRODUCTS {

#if SPARSELLM_DEFINES_VECTORS
// On an instruction set that supported() says is there.
[[nodiscard]] SPARSELLM_PRODUCTS_INLINE const vector_table& vector_kernels(cpu::isa i) noexcept {
  static constexpr vector_table tables[] = {
#define SPARSELLM_ISA_ROW(name, home, here) home::vector_kernels_of(),
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_ISA_ROW
  };
  return tables[static_cast<std::size_t>(i)];
}
#else
[[nodiscard]] const vector_table& vector_kernels(cpu::isa i) noexcept;
#endif

}  // namespace SPARSELLM_PRODUCTS
