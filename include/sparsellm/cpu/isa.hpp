// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The instruction sets kernels are compiled for, and which of them this machine has. Asked once
// per process. The environment variable SPARSELLM_ISA=scalar|neon|avx2|avx512|avx512_vnni|
// avx512_vbmi2|avx512_bf16 chooses a lesser one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/target.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu {

enum class isa {
  scalar,
  neon,          // Armv8-A
  avx2,          // with FMA and F16C
  avx512,        // F, BW, DQ, VL
  avx512_vnni,   // and VNNI
  avx512_vbmi2,  // and VBMI2
  avx512_bf16,   // and BF16
};

inline constexpr std::array<isa, 7> all_isas{isa::scalar,     isa::neon,        isa::avx2,
                                             isa::avx512,     isa::avx512_vnni, isa::avx512_vbmi2,
                                             isa::avx512_bf16};

[[nodiscard]] constexpr std::string_view name(isa i) noexcept {
  constexpr std::array<std::string_view, 7> names{
      "scalar", "neon", "avx2", "avx512", "avx512_vnni", "avx512_vbmi2", "avx512_bf16"};
  return names[static_cast<std::size_t>(i)];
}

#if SPARSELLM_ARCH_X86
namespace cpuid {

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

}  // namespace cpuid
#endif

// Whether this machine, operating system included, runs it.
[[nodiscard]] inline bool supported(isa i) noexcept {
#if SPARSELLM_ARCH_X86
  switch (i) {
    case isa::scalar: return true;
    case isa::neon: return false;
    case isa::avx2:
      return cpuid::saved(0x6) && cpuid::bit(7, 0, 1, 5) && cpuid::bit(1, 0, 2, 12) &&  // AVX2, FMA
             cpuid::bit(1, 0, 2, 29);                                                   // F16C
    case isa::avx512:
      return supported(isa::avx2) && cpuid::saved(0xe6) && cpuid::bit(7, 0, 1, 16) &&  // F
             cpuid::bit(7, 0, 1, 17) && cpuid::bit(7, 0, 1, 30) &&                     // DQ, BW
             cpuid::bit(7, 0, 1, 31);                                                  // VL
    case isa::avx512_vnni: return supported(isa::avx512) && cpuid::bit(7, 0, 2, 11);
    case isa::avx512_vbmi2: return supported(isa::avx512_vnni) && cpuid::bit(7, 0, 2, 6);
    case isa::avx512_bf16: return supported(isa::avx512_vbmi2) && cpuid::bit(7, 1, 0, 5);
  }
  return false;
#elif SPARSELLM_ARCH_ARM64
  return i == isa::scalar || i == isa::neon;
#else
  return i == isa::scalar;
#endif
}

// Throws value_error for a name that is none, or one this machine does not have.
[[nodiscard]] inline isa parse_isa(std::string_view text) {
  for (const isa i : all_isas) {
    if (name(i) != text) continue;
    require<value_error>(supported(i), "SPARSELLM_ISA: this machine does not have '", text, "'");
    return i;
  }
  raise<value_error>(
      concat("SPARSELLM_ISA: expected scalar, neon, avx2, avx512, avx512_vnni, avx512_vbmi2 or "
             "avx512_bf16, got '",
             text, "'"));
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

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE::cpu
