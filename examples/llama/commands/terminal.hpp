// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Progress reports, and Ctrl-C or a request to end (SIGTERM) as an exception.
#pragma once

#include <string>

#include "model/model.hpp"

namespace llama {

// From now on either is noticed at the next progress report, which throws interrupted.
void watch_for_interrupts();
// Throws interrupted when either came.
void stop_if_interrupted();
// What the program ends with then, as shells have it: 130 after Ctrl-C, 143 after SIGTERM.
[[nodiscard]] int interrupted_status();

// A report for something that may take a while: after two seconds it writes "what … 40 %, 3 min
// left" to standard error, at most ten times a second, and clears it when done.
[[nodiscard]] progress show_progress(std::string what);

}  // namespace llama
