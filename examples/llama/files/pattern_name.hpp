// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How people write a pattern: "2:4".
#pragma once

#include <string>

#include "sparsellm/prune/pattern.hpp"

namespace llama {

[[nodiscard]] std::string name(sparsellm::nm_pattern p);
// Throws value_error for anything that is no pattern.
[[nodiscard]] sparsellm::nm_pattern parse_pattern(const std::string& text);

}  // namespace llama
