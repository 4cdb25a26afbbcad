// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// UTF-8, as far as file names and vocabularies need it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace llama {

// Every character, consecutive and covering the text; bytes that belong to none are cut as if their
// first byte said how many follow.
[[nodiscard]] std::vector<std::string_view> characters(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

// The text with U+FFFD in place of what is no UTF-8: what JSON can hold.
[[nodiscard]] std::string valid_utf8(const std::string& text);

// Every occurrence of `from`, which is not empty, replaced.
[[nodiscard]] std::string replaced(std::string_view text, std::string_view from,
                                   std::string_view to);

}  // namespace llama
