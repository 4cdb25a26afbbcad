// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/gguf_metadata.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <variant>

#include "files/gguf_bytes.hpp"
#include "files/gguf_tokenizer.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::element_kind;

namespace {

template <class Small>
bool fits(std::int64_t n) {
  return n >= std::numeric_limits<Small>::min() && n <= std::numeric_limits<Small>::max();
}

void append_array(std::vector<std::byte>& out, std::uint32_t type, std::size_t items) {
  append_number(out, std::uint32_t{gguf_type::array});
  append_number(out, type);
  append_number(out, std::uint64_t{items});
}

// A value's type, and the value.
struct encoder {
  std::vector<std::byte>& out;

  void operator()(std::int64_t n) const {
    append_number(out, std::uint32_t{fits<std::int32_t>(n) ? gguf_type::i32 : gguf_type::i64});
    if (fits<std::int32_t>(n))
      append_number(out, static_cast<std::int32_t>(n));
    else
      append_number(out, n);
  }
  void operator()(std::uint64_t n) const {
    const bool small = n <= std::numeric_limits<std::uint32_t>::max();
    append_number(out, std::uint32_t{small ? gguf_type::u32 : gguf_type::u64});
    if (small)
      append_number(out, static_cast<std::uint32_t>(n));
    else
      append_number(out, n);
  }
  void operator()(double x) const {
    append_number(out, std::uint32_t{gguf_type::f32});
    append_number(out, static_cast<float>(x));
  }
  void operator()(bool b) const {
    append_number(out, std::uint32_t{gguf_type::boolean});
    append_number(out, static_cast<std::uint8_t>(b));
  }
  void operator()(const std::string& s) const {
    append_number(out, std::uint32_t{gguf_type::string});
    append_string(out, s);
  }
  void operator()(const std::vector<std::string>& items) const {
    append_array(out, gguf_type::string, items.size());
    for (const std::string& s : items) append_string(out, s);
  }
  void operator()(const std::vector<std::int64_t>& items) const {
    const bool small = std::all_of(items.begin(), items.end(), fits<std::int32_t>);
    append_array(out, small ? gguf_type::i32 : gguf_type::i64, items.size());
    for (const std::int64_t n : items)
      if (small)
        append_number(out, static_cast<std::int32_t>(n));
      else
        append_number(out, n);
  }
  void operator()(const std::vector<double>& items) const {
    append_array(out, gguf_type::f32, items.size());
    for (const double x : items) append_number(out, static_cast<float>(x));
  }
};

// llama.cpp's number of what most tensors are (llama.h, LLAMA_FTYPE_*).
std::uint64_t file_type(element_kind type) {
  switch (type) {
    case element_kind::f32: return 0;
    case element_kind::f16: return 1;
    case element_kind::q8_0: return 7;
    default: return 32;  // bf16
  }
}

}  // namespace

gguf_metadata::gguf_metadata(const model_file& file, element_kind type) {
  if (file.own_vocabulary() == nullptr)
    carry(file);
  else
    make(file);
  set("general.file_type", file_type(type));
  if (sparsellm::is_quantized(type) && !has("general.quantization_version"))
    set("general.quantization_version", std::uint64_t{2});
}

void gguf_metadata::carry(const model_file& file) {
  for (const stored_value& v : file.stored_values())
    if (!v.key.starts_with("split.")) put(v.key, {v.bytes.data, v.bytes.data + v.bytes.size});
}

// A checkpoint's values stand under GGUF's keys already.
void gguf_metadata::make(const model_file& file) {
  set("general.architecture", file.text("general.architecture"));
  set("general.type", std::string("model"));
  std::map<std::string, metadata_value> sorted(file.values().begin(), file.values().end());
  // llama.cpp takes the width by heads where the file is silent, which is not what keys have.
  const std::string attention = file.text("general.architecture") + ".attention.";
  if (const metadata_value* size = file.value(attention + "key_length"))
    sorted.emplace(attention + "value_length", *size);
  for (const auto& [key, value] : sorted)
    if (!key.starts_with("tokenizer.")) set(key, value);
  for (const auto& [key, value] : tokenizer_values(*file.own_vocabulary())) set(key, value);
}

void gguf_metadata::set(const std::string& key, const metadata_value& value) {
  std::vector<std::byte> bytes;
  std::visit(encoder{bytes}, value);
  put(key, std::move(bytes));
}

void gguf_metadata::put(const std::string& key, std::vector<std::byte> bytes) {
  const auto at =
      std::find_if(values_.begin(), values_.end(), [&](const auto& v) { return v.first == key; });
  if (at == values_.end())
    values_.emplace_back(key, std::move(bytes));
  else
    at->second = std::move(bytes);
}

bool gguf_metadata::has(const std::string& key) const {
  return std::any_of(values_.begin(), values_.end(), [&](const auto& v) { return v.first == key; });
}

std::vector<std::byte> gguf_metadata::bytes() const {
  std::vector<std::byte> all;
  for (const auto& [key, value] : values_) {
    append_string(all, key);
    all.insert(all.end(), value.begin(), value.end());
  }
  return all;
}

}  // namespace llama
