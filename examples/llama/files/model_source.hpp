// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a model comes from: a GGUF file, the directory of a Hugging Face checkpoint, or memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "files/mapped_file.hpp"
#include "files/model_file.hpp"

namespace llama {

class model_source {
 public:
  // Throws sparsellm::file_error and format_error.
  explicit model_source(const std::string& path);
  // A model that is in memory.
  explicit model_source(std::unique_ptr<model_file> file) noexcept : file_(std::move(file)) {}

  [[nodiscard]] const model_file& file() const noexcept { return *file_; }
  // The tensor's pages leave memory until they are read again.
  void release(const tensor& t) const noexcept;

 private:
  std::vector<mapped_file> mappings_;
  std::unique_ptr<model_file> file_;
};

}  // namespace llama
