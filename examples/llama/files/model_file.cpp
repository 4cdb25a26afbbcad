// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Look-up with messages that say what is missing.
#include "files/model_file.hpp"

#include <utility>

#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;

const tensor_type_info* info_of(std::uint32_t type) noexcept {
  static const std::pair<tensor_type, tensor_type_info> known[] = {
      {tensor_type::f32, {"F32", 1, 4}},         {tensor_type::f16, {"F16", 1, 2}},
      {tensor_type::bf16, {"BF16", 1, 2}},       {tensor_type::q4_0, {"Q4_0", 32, 18}},
      {tensor_type::q4_1, {"Q4_1", 32, 20}},     {tensor_type::q5_0, {"Q5_0", 32, 22}},
      {tensor_type::q5_1, {"Q5_1", 32, 24}},     {tensor_type::q8_0, {"Q8_0", 32, 34}},
      {tensor_type::iq4_nl, {"IQ4_NL", 32, 18}}, {tensor_type::q4_k, {"Q4_K", 256, 144}},
      {tensor_type::q5_k, {"Q5_K", 256, 176}},   {tensor_type::q6_k, {"Q6_K", 256, 210}}};
  for (const auto& [t, info] : known)
    if (static_cast<std::uint32_t>(t) == type) return &info;
  return nullptr;
}

void model_file::add(std::string key, metadata_value v) {
  const auto [at, fresh] = values_.emplace(std::move(key), std::move(v));
  if (!fresh) raise<format_error>(concat(format_, ": the key '", at->first, "' is there twice"));
}

void model_file::add(tensor t) {
  if (!by_name_.emplace(t.name, tensors_.size()).second)
    raise<format_error>(concat(format_, ": the tensor '", t.name, "' is there twice"));
  tensors_.push_back(std::move(t));
}

void model_file::split_heads(std::size_t head_size) {
  for (tensor& t : tensors_) {
    bool turns = false;
    for (const char* part : {".attn_q", ".attn_k"})
      for (const char* end : {".weight", ".bias", "_norm.weight"})
        turns = turns || t.name.ends_with(std::string(part) + end);
    if (!turns) continue;
    const std::size_t size =
        t.name.ends_with("q.weight") || t.name.ends_with("k.weight") ? t.rows : t.cols;
    if (head_size == 0 || head_size % 2 != 0 || size % head_size != 0)
      raise<format_error>(concat(format_, ": '", name_in_file(t.name), "' is of ", size,
                                 ", not a multiple of a head's even size, ", head_size));
    t.split_head = head_size;
  }
}

const tensor* model_file::find(const std::string& name) const noexcept {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &tensors_[at->second];
}

const tensor& model_file::tensor_of(const std::string& name, std::size_t rows,
                                    std::size_t cols) const {
  const tensor* t = find(name);
  if (t == nullptr)
    raise<format_error>(concat(format_, ": the tensor '", name_in_file(name), "' is missing"));
  if (t->rows != rows || t->cols != cols)
    raise<format_error>(concat(format_, ": the tensor '", name_in_file(name), "' must be ", rows,
                               "x", cols, ", got ", t->rows, "x", t->cols));
  return *t;
}

const metadata_value* model_file::value(const std::string& key) const noexcept {
  const auto at = values_.find(key);
  return at == values_.end() ? nullptr : &at->second;
}

template <class T>
const T& model_file::as(const std::string& key, const char* wanted) const {
  const metadata_value* v = value(key);
  if (v == nullptr) raise<format_error>(concat(format_, ": the key '", key, "' is missing"));
  const T* typed = std::get_if<T>(v);
  constexpr const char* held[] = {"a whole number",
                                  "a whole number",
                                  "a floating-point number",
                                  "true or false",
                                  "text",
                                  "an array of text",
                                  "an array",
                                  "an array of floating-point numbers"};
  if (typed == nullptr)
    raise<format_error>(
        concat(format_, ": the key '", key, "' must be ", wanted, ", it is ", held[v->index()]));
  return *typed;
}

std::uint64_t model_file::whole(const std::string& key) const {
  const metadata_value* v = value(key);
  if (v != nullptr)
    if (const auto* n = std::get_if<std::int64_t>(v)) {
      if (*n < 0)
        raise<format_error>(concat(format_, ": '", key, "' must be at least 0, got ", *n));
      return static_cast<std::uint64_t>(*n);
    }
  return as<std::uint64_t>(key, "a whole number");
}
std::uint64_t model_file::whole(const std::string& key, std::uint64_t otherwise) const {
  return value(key) == nullptr ? otherwise : whole(key);
}
double model_file::real(const std::string& key) const {
  return as<double>(key, "a floating-point number");
}
double model_file::real(const std::string& key, double otherwise) const {
  return value(key) == nullptr ? otherwise : real(key);
}
bool model_file::flag(const std::string& key, bool otherwise) const {
  return value(key) == nullptr ? otherwise : as<bool>(key, "true or false");
}
const std::string& model_file::text(const std::string& key) const {
  return as<std::string>(key, "text");
}
std::string model_file::text(const std::string& key, const std::string& otherwise) const {
  return value(key) == nullptr ? otherwise : text(key);
}
template <class T>
const std::vector<T>& model_file::array(const std::string& key) const {
  return as<std::vector<T>>(key, "an array of the right type");
}
template const std::vector<std::string>& model_file::array(const std::string&) const;
template const std::vector<std::int64_t>& model_file::array(const std::string&) const;
template const std::vector<double>& model_file::array(const std::string&) const;

}  // namespace llama
