// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF, versions 2 and 3, little-endian: what is in the file, every offset, length and type checked
// before it is used. Tensor data stays where it is; dequantize.hpp reads rows of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace llama {

// ggml's numbers for the tensor types that are read.
enum class tensor_type : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

struct tensor_type_info {
  std::string_view name;
  std::size_t block;  // elements a block
  std::size_t bytes;  // bytes a block
};
// nullptr for a type that is not read.
[[nodiscard]] const tensor_type_info* info_of(std::uint32_t type) noexcept;

// A tensor [rows, cols], one row after the other; vectors have one row.
struct tensor {
  std::string name;
  tensor_type type;
  std::size_t rows, cols;
  const std::byte* data;
  std::size_t bytes;
};

using gguf_value =
    std::variant<std::int64_t, std::uint64_t, double, bool, std::string, std::vector<std::string>,
                 std::vector<std::int64_t>, std::vector<double>>;

class gguf {
 public:
  // data is borrowed. Throws sparsellm::format_error, saying what was expected and where.
  gguf(const std::byte* data, std::size_t size);

  // nullptr when there is none.
  [[nodiscard]] const tensor* find(const std::string& name) const noexcept;
  // Throws format_error when it is missing or has another shape.
  [[nodiscard]] const tensor& require(const std::string& name, std::size_t rows,
                                      std::size_t cols) const;
  [[nodiscard]] const std::vector<tensor>& tensors() const noexcept { return tensors_; }

  [[nodiscard]] const gguf_value* value(const std::string& key) const noexcept;
  // A number or text of the metadata. Throws format_error when it is missing (without a default),
  // of another type, or out of range.
  [[nodiscard]] std::uint64_t whole(const std::string& key) const;
  [[nodiscard]] std::uint64_t whole(const std::string& key, std::uint64_t otherwise) const;
  [[nodiscard]] double real(const std::string& key) const;
  [[nodiscard]] double real(const std::string& key, double otherwise) const;
  [[nodiscard]] bool flag(const std::string& key, bool otherwise) const;
  [[nodiscard]] const std::string& text(const std::string& key) const;
  [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise) const;
  template <class T>
  [[nodiscard]] const std::vector<T>& array(const std::string& key) const;

 private:
  template <class T>
  [[nodiscard]] const T& as(const std::string& key, const char* wanted) const;

  std::unordered_map<std::string, gguf_value> values_;
  std::vector<tensor> tensors_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

}  // namespace llama
