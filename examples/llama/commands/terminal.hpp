// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Progress reports, and Ctrl-C as an exception.
#pragma once

#include <string>

#include "model/model.hpp"

namespace llama {

// From now on Ctrl-C is noticed at the next progress report, which throws interrupted.
void watch_for_interrupts();
// Throws interrupted when Ctrl-C was pressed.
void stop_if_interrupted();

// A report for something that may take a while: after two seconds it writes "what … 40 %, 3 min
// left" to standard error, at most ten times a second, and clears it when done.
[[nodiscard]] progress show_progress(std::string what);

}  // namespace llama
