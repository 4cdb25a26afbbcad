// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// cudasim: what is said on stderr, and how.
#pragma once
#include <string>

namespace cudasim {

/// Print a one-line "cudasim: ..." message on stderr.
void message(const char* fmt, ...) __attribute__((format(printf, 1, 2)));
std::string strf(const char* fmt, ...) __attribute__((format(printf, 1, 2)));
std::string demangle(const std::string& name);

}  // namespace cudasim
