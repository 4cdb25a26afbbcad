// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which instructions beyond Armv8-A's this Arm has, as Linux tells every process. On other systems
// none are known to be there.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/target.hpp"
#if SPARSELLM_HAS_HWCAP
#include <sys/auxv.h>
#endif

namespace sparsellm::inline v0::detail::arm::inline SPARSELLM_BASELINE {

// Bit `bit` of AT_HWCAP (word 1) or AT_HWCAP2 (word 2): Documentation/arch/arm64/elf_hwcaps.rst.
// Numbers, for <asm/hwcap.h> may be older than the machine.
[[nodiscard]] inline bool bit([[maybe_unused]] int word, [[maybe_unused]] int bit) noexcept {
#if SPARSELLM_HAS_HWCAP
  return ((::getauxval(word == 1 ? AT_HWCAP : AT_HWCAP2) >> bit) & 1u) != 0;
#else
  return false;
#endif
}

}  // namespace sparsellm::inline v0::detail::arm::inline SPARSELLM_BASELINE
