// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of quantised weights. Included once per instruction set, inside its namespace and
// target region.

#include "sparsellm/cpu/kernels/quantized/round.inl"
#include "sparsellm/cpu/kernels/quantized/levels.inl"
#include "sparsellm/cpu/kernels/quantized/super_blocks.inl"
#include "sparsellm/cpu/kernels/quantized/blocks.inl"

template <class W>
constexpr quantized_table<W> quantized_kernels_of() noexcept {
  return {&round_activations, &quantized_panel<W>, &quantized_strips<W, &add_blocks<W>>,
          &quantized_blocks<W>};
}
