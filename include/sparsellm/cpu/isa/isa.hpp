// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The instruction sets kernels are compiled for (list.inl), and which of them this machine has.
// Asked once per process. The environment variable SPARSELLM_ISA, set to a name, chooses a lesser
// one.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/isa/arm_features.hpp"
#include "sparsellm/cpu/isa/target.hpp"
#include "sparsellm/cpu/isa/tile_permission.hpp"

namespace sparsellm::inline v0::cpu {

// Weakest first: scalar, neon (Armv8-A), neon_dot, neon_i8mm, neon_bf16, avx2 (with FMA and F16C),
// avx_vnni, avx512 (F, BW, DQ, VL), avx512_vnni, avx512_vbmi2, avx512_bf16, amx_bf16, amx_int8,
// each with those before it of its architecture, but for avx_vnni, which avx512 need not have.
enum class isa {
#define SPARSELLM_ISA_ROW(name, home, here) name,
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_ISA_ROW
};

// Every instruction set there is a name for, this architecture's and others.
inline constexpr isa all_isas[] = {
#define SPARSELLM_ISA_ROW(name, home, here) isa::name,
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_ISA_ROW
};

// As SPARSELLM_ISA takes it.
[[nodiscard]] constexpr std::string_view name(isa i) noexcept {
  constexpr std::string_view names[] = {
#define SPARSELLM_ISA_ROW(name, home, here) #name,
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_ISA_ROW
  };
  return names[static_cast<std::size_t>(i)];
}

}  // namespace sparsellm::inline v0::cpu

#if SPARSELLM_ARCH_X86
namespace sparsellm::inline v0::detail::cpuid::inline SPARSELLM_BASELINE {

// Bit `bit` of register `reg` (0 EAX … 3 EDX) of a leaf. The compilers' own feature tests do not
// all know AVX-512-BF16 (clang 14).
[[nodiscard]] inline bool bit(unsigned leaf, unsigned subleaf, int reg, int bit) noexcept {
  unsigned r[4] = {0, 0, 0, 0};
  if (__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]) == 0) return false;
  return ((r[reg] >> bit) & 1u) != 0;
}

// Whether the operating system saves the registers named in `mask` (bits of XCR0).
[[nodiscard]] inline bool saved(unsigned mask) noexcept {
  if (!bit(1, 0, 2, 27)) return false;  // OSXSAVE
  unsigned low = 0;
  __asm__ volatile("xgetbv" : "=a"(low) : "c"(0) : "edx");
  return (low & mask) == mask;
}

}  // namespace sparsellm::inline v0::detail::cpuid::inline SPARSELLM_BASELINE
#endif

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// Whether this machine, operating system included, runs it.
[[nodiscard]] inline bool supported(isa i) noexcept {
  switch (i) {
#define SPARSELLM_ISA_ROW(name, home, here) \
  case isa::name: return here;
#include "sparsellm/cpu/isa/list.inl"
#undef SPARSELLM_ISA_ROW
  }
  return false;
}

// Throws value_error for a name that is none, or one this machine does not have.
[[nodiscard]] inline isa parse_isa(std::string_view text) {
  for (const isa i : all_isas) {
    if (cpu::name(i) != text) continue;
    require<value_error>(supported(i), "SPARSELLM_ISA: this machine does not have '", text, "'");
    return i;
  }
  std::string names;
  for (const isa i : all_isas) names.append(names.empty() ? "" : ", ").append(name(i));
  raise<value_error>(concat("SPARSELLM_ISA: one of ", names, " expected, got '", text, "'"));
}

// The best one the machine has, or what SPARSELLM_ISA says. Throws value_error as parse_isa does.
[[nodiscard]] inline isa default_isa() {
  static const isa chosen = [] {
    if (const char* wanted = std::getenv("SPARSELLM_ISA"); wanted != nullptr && *wanted != '\0')
      return parse_isa(wanted);
    isa best = isa::scalar;
    for (const isa i : all_isas)
      if (supported(i)) best = i;
    return best;
  }();
  return chosen;
}

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE
