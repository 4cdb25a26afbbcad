// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "two_files.hpp"

int second_file() { return run_scaled(7); }
