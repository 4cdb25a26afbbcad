// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF, versions 2 and 3, little-endian: every offset, length and type is checked before it is
// used.
#pragma once

#include <cstddef>

#include "files/model_file.hpp"

namespace llama {

class gguf : public model_file {
 public:
  // data is borrowed. Throws sparsellm::format_error, saying what was expected and where.
  gguf(const std::byte* data, std::size_t size);
};

}  // namespace llama
