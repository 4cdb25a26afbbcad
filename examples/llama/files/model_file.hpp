// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model's file holds, whatever its format: metadata under GGUF's keys and tensors under
// GGUF's names, every offset and size checked by the reader. Tensor data stays where it is;
// dequantize.hpp reads rows of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "files/orders.hpp"

namespace llama {

// What elements are stored as, in ggml's numbers.
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
  iq4_nl = 20,
  bf16 = 30,
};

struct tensor_type_info {
  std::string_view name;
  std::size_t block;  // elements per block
  std::size_t bytes;  // bytes per block
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
  // Pruned: only the elements whose bit is set are in data, row after row. Bit c mod 8 of byte
  // c / 8 of a row of (cols + 7) / 8 bytes is column c's; row r begins at element starts[r].
  const std::byte* mask = nullptr;
  std::vector<std::uint64_t> starts{};
  // Not 0: heads of so many rows, or elements of a vector, whose first half holds the even ones of
  // our order and whose second half the odd ones, so that what turns together stands apart.
  std::size_t split_head = 0;

  // Where row r, or element r of a vector, is stored.
  [[nodiscard]] std::size_t stored_row(std::size_t r) const noexcept {
    if (split_head == 0) return r;
    const std::size_t at = r % split_head;
    return r - at + at / 2 + at % 2 * (split_head / 2);
  }
};

// The other way round: where row r of heads that are stored as halves stands in our order.
[[nodiscard]] inline std::size_t row_of_halves(std::size_t r, std::size_t head_size) noexcept {
  const std::size_t at = r % head_size, half = head_size / 2;
  return r - at + at % half * 2 + at / half;
}

struct bytes_view {
  const std::byte* data;
  std::size_t size;
};

using metadata_value =
    std::variant<std::int64_t, std::uint64_t, double, bool, std::string, std::vector<std::string>,
                 std::vector<std::int64_t>, std::vector<double>>;

// A value of the metadata as a GGUF file has it: its type, and what follows.
struct stored_value {
  std::string key;
  bytes_view bytes;
};

struct vocabulary;  // vocabulary.hpp

class model_file {
 public:
  // nullptr when there is none.
  [[nodiscard]] const tensor* find(const std::string& name) const noexcept;
  // Throws format_error when it is missing or has another shape.
  [[nodiscard]] const tensor& tensor_of(const std::string& name, std::size_t rows,
                                        std::size_t cols) const;
  [[nodiscard]] const std::vector<tensor>& tensors() const noexcept { return tensors_; }

  [[nodiscard]] const metadata_value* value(const std::string& key) const noexcept;
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

  // Of every block, or empty: what the weights were pruned in.
  [[nodiscard]] const std::vector<block_orders>& orders() const noexcept { return orders_; }

  // What tokens are made by, where the metadata does not say it; nullptr: it does.
  [[nodiscard]] virtual const vocabulary* own_vocabulary() const noexcept { return nullptr; }
  // What the file itself calls a tensor of this name.
  [[nodiscard]] virtual std::string name_in_file(const std::string& name) const { return name; }

  [[nodiscard]] const std::unordered_map<std::string, metadata_value>& values() const noexcept {
    return values_;
  }

  // All of it, in the file's order; empty where the file has it in another form.
  [[nodiscard]] virtual std::span<const stored_value> stored_values() const noexcept { return {}; }

  virtual ~model_file() = default;
  model_file(const model_file&) = delete;
  model_file& operator=(const model_file&) = delete;

 protected:
  // `format`: what messages call the file.
  explicit model_file(const char* format) : format_(format) {}
  // Throw format_error when the name is there already.
  void add(std::string key, metadata_value v);
  void add(tensor t);
  void set_orders(std::vector<block_orders> orders) { orders_ = std::move(orders); }
  // The weights, biases and norms of q and k are stored as halves of heads of this size. Throws
  // format_error for tensors that are no such heads.
  void split_heads(std::size_t head_size);

 private:
  template <class T>
  [[nodiscard]] const T& as(const std::string& key, const char* wanted) const;

  const char* format_;
  std::unordered_map<std::string, metadata_value> values_;
  std::vector<tensor> tensors_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<block_orders> orders_;
};

}  // namespace llama
