// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Unicode's normalization form C.
#pragma once

#include <string>
#include <string_view>

namespace llama {

// The text with its characters composed: "e" and a combining accent become one. What is no UTF-8
// stays as it is.
[[nodiscard]] std::string composed(std::string_view text);

}  // namespace llama
