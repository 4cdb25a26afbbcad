// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/json_ledger.hpp"

#include <utility>

#include "files/file_kind.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::json;
using sparsellm::format_error;
using sparsellm::require;

namespace {

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

json_ledger::json_ledger(const json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  require<format_error>(object.is_object(), where_, " is not a JSON object");
}

const json* json_ledger::take(const std::string& key) {
  taken_.insert(key);
  const auto at = object_.find(key);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

std::optional<std::string> json_ledger::text(const std::string& key) {
  const json* v = take(key);
  if (v == nullptr) return std::nullopt;
  require<format_error>(v->is_string(), where_, ": '", key, "' must be text, got ", shown(*v));
  return v->get<std::string>();
}

std::optional<bool> json_ledger::flag(const std::string& key) {
  const json* v = take(key);
  if (v == nullptr) return std::nullopt;
  require<format_error>(v->is_boolean(), where_, ": '", key, "' must be true or false, got ",
                        shown(*v));
  return v->get<bool>();
}

std::optional<double> json_ledger::number(const std::string& key) {
  const json* v = take(key);
  if (v == nullptr) return std::nullopt;
  require<format_error>(v->is_number(), where_, " must have a number '", key, "', got ", shown(*v));
  return v->get<double>();
}

std::optional<std::uint64_t> json_ledger::whole(const std::string& key) {
  const json* v = take(key);
  if (v == nullptr) return std::nullopt;
  require<format_error>(v->is_number_unsigned(), where_, " must have a whole number '", key,
                        "', got ", shown(*v));
  return v->get<std::uint64_t>();
}

void json_ledger::finish(std::span<const known_key> harmless) const {
  for (const auto& [key, value] : object_.items()) {
    const bool says_nothing = value.is_null() || (value.is_structured() && value.empty());
    if (says_nothing || taken_.count(key) != 0 || find_key(harmless, key) != nullptr) continue;
    sparsellm::raise<format_error>(sparsellm::concat(
        where_, ": '", key, "' (", shown(value),
        ") is not known here; what it asks for would be left out, so the file is refused"));
  }
}

json parse_object(const std::string& text, const std::string& where) {
  json j = json::parse(text, nullptr, false);
  if (!j.is_object()) refuse_other_kind(text, where);
  require<format_error>(j.is_object(), where, " is not a JSON object");
  return j;
}

}  // namespace llama
