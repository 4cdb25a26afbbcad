// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a file is that is not what it should be: said before any of its fields is read.
#pragma once

#include <string>
#include <string_view>

namespace llama {

// Throws format_error when `bytes` (a file's beginning suffices) are a Git LFS pointer, a web page,
// or an archive; returns otherwise. `where` is what the message calls the file.
void refuse_other_kind(std::string_view bytes, const std::string& where);

}  // namespace llama
