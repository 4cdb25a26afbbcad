// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Diagnostics in the manner of compute-sanitizer.
#pragma once
#include <string>

#include "engine.hpp"

namespace cudasim::checks {

/// CUDA error codes the simulator raises from inside kernels.
enum Code {
  kIllegalAddress = 700,
  kLaunchTimeout = 702,
  kAssert = 710,
  kMisaligned = 716,
  kLaunchFailure = 719,
  kIllegalInstruction = 715
};

/// Report a problem of one lane at one instruction. Repeats of the same (instruction, title) are
/// counted, not printed.
void report(const Warp& w, const Insn& I, int lane, const char* title, const std::string& detail);
/// A report without an instruction.
void report(const std::string& title, const std::string& detail);
int count();
/// "kernel `name` ... PTX line 12: ld..." for a given instruction.
std::string where(const Warp& w, const Insn& I, int lane);

// Shared-memory race shadow. `size` bytes at shared offset `off`.
void race_access(Warp& w, const Insn& I, int lane, u32 off, u32 size, bool write, bool atomic);

/// Leak check and summary; may end the process with a non-zero code under CUDASIM_STRICT.
void at_exit();

}  // namespace cudasim::checks
