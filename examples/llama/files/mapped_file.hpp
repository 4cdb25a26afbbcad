// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A file mapped read-only. Pages that were read can be given back, so that a model's file does not
// stay in memory beside its packed weights.
#pragma once

#include <cstddef>
#include <string>

namespace llama {

class mapped_file {
 public:
  // Throws sparsellm::file_error when the file cannot be opened or mapped, or is empty.
  explicit mapped_file(const std::string& path);
  ~mapped_file();
  mapped_file(mapped_file&& other) noexcept;
  mapped_file& operator=(mapped_file&&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // The pages wholly inside [first, first + bytes) leave memory; they are read again when needed.
  void release(const std::byte* first, std::size_t bytes) const noexcept;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace llama
