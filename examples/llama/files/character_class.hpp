// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands at a text's ends, as the package tokenizers asks it of Unicode.
#pragma once

#include <cstddef>
#include <string_view>

namespace llama {

// Bytes of the white space (Unicode's White_Space) that the text begins, or ends, with.
[[nodiscard]] std::size_t leading_space(std::string_view text) noexcept;
[[nodiscard]] std::size_t trailing_space(std::string_view text) noexcept;

// Whether the first, or the last, character is one of a word: a letter, mark, digit or connector.
[[nodiscard]] bool begins_with_word(std::string_view text);
[[nodiscard]] bool ends_with_word(std::string_view text);

}  // namespace llama
