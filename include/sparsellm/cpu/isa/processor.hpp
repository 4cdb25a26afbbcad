// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which processor this is, as it calls itself.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/target.hpp"

namespace sparsellm::inline v0::detail::cpuid::inline SPARSELLM_BASELINE {

#if SPARSELLM_ARCH_X86
// Registers EAX to EDX of a leaf, as text in the given order; empty where there is no such leaf.
[[nodiscard]] inline std::string text(unsigned leaf, int a, int b, int c, int d) {
  unsigned r[4] = {0, 0, 0, 0};
  if (__get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]) == 0) return {};
  std::string bytes;
  for (const int i : {a, b, c, d}) {
    if (i < 0) continue;
    char four[4];
    std::memcpy(four, &r[i], sizeof four);
    bytes.append(four, sizeof four);
  }
  return bytes;
}
#endif

}  // namespace sparsellm::inline v0::detail::cpuid::inline SPARSELLM_BASELINE

namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE {

// "GenuineIntel", "AuthenticAMD" and so on; empty where the processor does not say.
[[nodiscard]] inline std::string processor_vendor() {
#if SPARSELLM_ARCH_X86
  return detail::cpuid::text(0, 1, 3, 2, -1);
#else
  return {};
#endif
}

// The processor's brand without spaces at its ends; a hypervisor may have shortened it. "unknown
// processor" where it has none to tell.
[[nodiscard]] inline std::string processor_name() {
  std::string brand;
#if SPARSELLM_ARCH_X86
  for (unsigned leaf = 0x80000002; leaf <= 0x80000004; ++leaf)
    brand += detail::cpuid::text(leaf, 0, 1, 2, 3);
#endif
  brand.resize(std::strlen(brand.c_str()));
  const std::size_t first = brand.find_first_not_of(' ');
  if (first == std::string::npos) return "unknown processor";
  return brand.substr(first, brand.find_last_not_of(' ') + 1 - first);
}

}  // namespace sparsellm::inline v0::cpu::inline SPARSELLM_BASELINE
