// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A model on disk: a GGUF file, or the directory of a Hugging Face checkpoint.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "files/mapped_file.hpp"
#include "files/model_file.hpp"

namespace llama {

class model_source {
 public:
  // Throws sparsellm::file_error and format_error.
  explicit model_source(const std::string& path);

  [[nodiscard]] const model_file& file() const noexcept { return *file_; }
  // The tensor's pages leave memory until they are read again.
  void release(const tensor& t) const noexcept;

 private:
  std::vector<mapped_file> mappings_;
  std::unique_ptr<model_file> file_;
};

}  // namespace llama
