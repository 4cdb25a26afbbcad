// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A JSON object that is read as a ledger: every member is taken, known to change no result, or
// refused by name. What a reader does not know of, it cannot leave out in silence.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "files/known_keys.hpp"

namespace llama {

class json_ledger {
 public:
  // object must outlive this; `where` is what messages call it: "config.json". Throws format_error
  // when it is no object.
  json_ledger(const nlohmann::json& object, std::string where);

  // A member, from now on read; nullptr when it is missing or null, which says nothing.
  const nlohmann::json* take(const std::string& key);
  // Whether it is there, null or not.
  [[nodiscard]] bool has(const std::string& key) const { return object_.contains(key); }
  // Members of a type; nothing when they are missing or null. Throw format_error for other types.
  std::optional<std::string> text(const std::string& key);
  std::optional<bool> flag(const std::string& key);
  std::optional<double> number(const std::string& key);
  std::optional<std::uint64_t> whole(const std::string& key);

  // Throws format_error for the first member that was not taken, says something (null, []
  // and {} do not), and that `harmless` does not list.
  void finish(std::span<const known_key> harmless = {}) const;

  [[nodiscard]] const std::string& where() const noexcept { return where_; }

 private:
  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string> taken_;
};

// A file's text as an object. Throws format_error, which says when it is a Git LFS pointer or a web
// page instead.
[[nodiscard]] nlohmann::json parse_object(const std::string& text, const std::string& where);

}  // namespace llama
