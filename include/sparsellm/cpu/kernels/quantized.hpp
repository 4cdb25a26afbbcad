// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of quantised weights of every instruction set, and the choice between them.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/isa.hpp"
#include "sparsellm/cpu/isa/vocabulary.hpp"
#include "sparsellm/cpu/kernels/quantized_table.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

#define SPARSELLM_FAMILY SPARSELLM_FAMILY_QUANTIZED
#define SPARSELLM_FAMILY_TABLE quantized_kernels_of
#define SPARSELLM_KERNELS "sparsellm/cpu/kernels/quantized/quantized.inl"
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_KERNELS
#undef SPARSELLM_FAMILY_TABLE
#undef SPARSELLM_FAMILY

// On an instruction set that supported() says is there.
template <class W>
[[nodiscard]] const quantized_table<W>& quantized_kernels(cpu::isa i) noexcept {
  static constexpr quantized_table<W> tables[] = {
#define SPARSELLM_ISA_ROW(name, home, here) home::quantized_kernels_of<W>(),
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_ISA_ROW
  };
  return tables[static_cast<std::size_t>(i)];
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
