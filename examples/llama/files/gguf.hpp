// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF, versions 2 and 3, little-endian: every offset, length and type is checked before it is
// used.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "files/model_file.hpp"

namespace llama {

class gguf : public model_file {
 public:
  // Gives the bytes of part `part` of `parts`, counted from 0; throws when it cannot.
  using part_reader = std::function<bytes_view(std::size_t part, std::size_t parts)>;

  // data is borrowed. A file that is the first of several has the others read through `other`,
  // without which it is refused. Throws sparsellm::format_error, saying what was expected and
  // where.
  gguf(const std::byte* data, std::size_t size, const part_reader& other = {});

  // Of the first part.
  [[nodiscard]] std::span<const stored_value> stored_values() const noexcept override {
    return stored_;
  }

 private:
  void read_others(const part_reader& other);
  void mark_heads();

  std::vector<stored_value> stored_;
};

}  // namespace llama
