// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of quantised weights. Included once per instruction set, inside its namespace and
// target region.

#include "sparsellm/cpu/kernels/quantized/round.inl"
#include "sparsellm/cpu/kernels/quantized/blocks.inl"

template <int Bits, bool Affine>
constexpr quantized_table<Bits, Affine> quantized_kernels_of() noexcept {
  return {&round_activations, &quantized_panel<Bits, Affine>,
          &quantized_strips<Bits, Affine, &add_blocks<Bits, Affine>>,
          &quantized_blocks<Bits, Affine>};
}
