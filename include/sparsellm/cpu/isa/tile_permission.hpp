// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// AMX's tiles are 8 KiB of registers, which the Linux kernel saves only for processes that have
// asked for them (Documentation/arch/x86/xstate.rst); others get SIGILL. All threads have what one
// of them was given, those that are there already too. The kernel refuses where a thread's
// alternate signal stack is too small for a frame with tiles; then there is no AMX here.
#pragma once

#include "sparsellm/core/config.hpp"
#include "sparsellm/cpu/isa/target.hpp"
#if SPARSELLM_HAS_TILE_PERMISSION
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE {

// Asks once per process.
[[nodiscard]] inline bool tiles_permitted() noexcept {
#if SPARSELLM_HAS_TILE_PERMISSION
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM; <asm/prctl.h> may be older
  constexpr long tile_data = 18;               // the bit of XCR0
  static const bool permitted = ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  return permitted;
#else
  return false;
#endif
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE
