// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The instruction sets, weakest first, one line for each. A new one is a file like these and a line
// here. Every file answers three questions, asked by a macro that the includer defines:
//   SPARSELLM_ISA_ROW(name, home, here)  expanded once: its name, the namespace of its kernels
//                                        (scalar where it is another architecture's), and whether
//                                        this machine has it
//   SPARSELLM_KERNELS                    includes that file in its namespace and target region, or
//                                        takes over the kernels of a lesser set
//   neither                              defines its vector vocabulary (simd/)

#include "sparsellm/cpu/isa/scalar.inl"
#include "sparsellm/cpu/isa/neon.inl"
#include "sparsellm/cpu/isa/neon_dot.inl"
#include "sparsellm/cpu/isa/neon_i8mm.inl"
#include "sparsellm/cpu/isa/neon_bf16.inl"
#include "sparsellm/cpu/isa/avx2.inl"
#include "sparsellm/cpu/isa/avx_vnni.inl"
#include "sparsellm/cpu/isa/avx512.inl"
#include "sparsellm/cpu/isa/avx512_vnni.inl"
#include "sparsellm/cpu/isa/avx512_vbmi2.inl"
#include "sparsellm/cpu/isa/avx512_bf16.inl"
#include "sparsellm/cpu/isa/amx_bf16.inl"
#include "sparsellm/cpu/isa/amx_int8.inl"
