// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Threshold tables as versioned JSON text; docs/formats.md describes every field. Numbers round
// trip exactly.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sparsellm/calibrate/json.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::table_json {

// What the field `format` says.
inline constexpr std::string_view format_name = "sparsellm-thresholds";

// Members of a table's objects. Throw format_error for what is missing, of another kind or out of
// range.
[[nodiscard]] inline const json::value& member(const json::value& object, std::string_view key,
                                               json::value::kind type) {
  const json::value* v = object.find(key);
  require<format_error>(v != nullptr, "threshold table: '", key, "' is missing");
  require<format_error>(v->type == type, "threshold table: '", key, "' has the wrong type");
  return *v;
}
[[nodiscard]] inline const std::string& text(const json::value& object, std::string_view key) {
  return member(object, key, json::value::kind::string).text;
}
[[nodiscard]] inline double real(const json::value& object, std::string_view key) {
  return member(object, key, json::value::kind::number).number;
}
[[nodiscard]] inline std::size_t whole(const json::value& object, std::string_view key) {
  const double n = real(object, key);
  // 2^53: the largest range in which every integer is a double.
  require<format_error>(n >= 0 && n <= 9007199254740992.0 && n == std::floor(n),
                        "threshold table: '", key, "' must be a whole number, got ", n);
  return static_cast<std::size_t>(n);
}
[[nodiscard]] inline std::uint64_t hash(const json::value& object, std::string_view key) {
  const std::string& digits = text(object, key);
  std::uint64_t h = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), h, 16);
  require<format_error>(
      digits.size() == 16 && error == std::errc{} && end == digits.data() + digits.size(),
      "threshold table: '", key, "' must be 16 hexadecimal digits, got '", digits, "'");
  return h;
}

// Names of enumerators, in their order.
inline constexpr std::array<std::string_view, 3> score_names{"magnitude", "column_scaled", "gate"};
inline constexpr std::array<std::string_view, 2> selection_names{"above", "top_k"};

// The enumerator whose name a member holds. Throws format_error for others.
template <class Enum, std::size_t N>
[[nodiscard]] Enum named(const json::value& object, std::string_view key,
                         const std::array<std::string_view, N>& names) {
  const std::string& given = text(object, key);
  for (std::size_t i = 0; i < N; ++i)
    if (given == names[i]) return static_cast<Enum>(i);
  std::string known;
  for (const std::string_view name : names) known += concat(known.empty() ? "" : ", ", name);
  raise<format_error>(
      concat("threshold table: '", key, "' must be one of ", known, "; got '", given, "'"));
}

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::table_json

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The text of a table, as docs/formats.md describes it.
[[nodiscard]] inline std::string to_json(const threshold_table& table) {
  namespace t = detail::table_json;
  using detail::json::number;
  using detail::json::quote;
  std::string out = concat(
      "{\n  \"format\": ", quote(t::format_name),
      ",\n  \"version\": ", threshold_table::format_version,
      ",\n  \"model\": ", quote(table.model.name), ",\n  \"weight_hash\": \"",
      detail::hexadecimal(table.model.weight_hash), "\",\n  \"method\": ", quote(table.method),
      ",\n  \"tokens\": ", table.tokens,
      ",\n  \"target_sparsity\": ", number(table.target_sparsity),
      ",\n  \"score\": ", quote(t::score_names[static_cast<std::size_t>(table.score)]),
      ",\n  \"selection\": ", quote(t::selection_names[static_cast<std::size_t>(table.selection)]),
      ",\n  \"sites\": [");
  for (std::size_t i = 0; i < table.sites.size(); ++i) {
    const site_threshold& s = table.sites[i];
    out += concat(i == 0 ? "\n" : ",\n", "    {\"layer\": ", s.where.layer,
                  ", \"projection\": ", quote(s.where.projection),
                  ", \"outputs\": ", s.shape.outputs, ", \"inputs\": ", s.shape.inputs,
                  ", \"sparsity\": ", number(s.sparsity), ", \"threshold\": ", number(s.threshold),
                  s.weight_hash == 0
                      ? std::string()
                      : concat(", \"weight_hash\": \"", detail::hexadecimal(s.weight_hash), "\""),
                  "}");
  }
  return out + "\n  ]\n}\n";
}

// A table from its text, as docs/formats.md describes it; version 1 is read too. Throws
// format_error for text that is no such table, value_error for values outside their range.
[[nodiscard]] inline threshold_table table_from_json(std::string_view text) {
  namespace t = detail::table_json;
  namespace json = detail::json;
  const json::value root = json::parse(text);
  require<format_error>(root.type == json::value::kind::object && root.find("format") != nullptr &&
                            t::text(root, "format") == t::format_name,
                        "threshold table: expected an object whose \"format\" is \"",
                        t::format_name, "\"");
  const std::size_t version = t::whole(root, "version");
  require<format_error>(version >= 1 && version <= threshold_table::format_version,
                        "threshold table: version 1 or ", threshold_table::format_version,
                        " expected, got ", version);
  threshold_table table;
  table.model = {t::text(root, "model"), t::hash(root, "weight_hash")};
  table.method = t::text(root, "method");
  table.tokens = t::whole(root, "tokens");
  table.target_sparsity = t::real(root, "target_sparsity");
  if (version >= 2) {
    table.score = t::named<table_score>(root, "score", t::score_names);
    table.selection = t::named<table_selection>(root, "selection", t::selection_names);
  }
  for (const json::value& s : t::member(root, "sites", json::value::kind::array).items) {
    table.add({{t::whole(s, "layer"), t::text(s, "projection")},
               {t::whole(s, "outputs"), t::whole(s, "inputs")},
               t::real(s, "sparsity"),
               static_cast<float>(t::real(s, "threshold")),
               s.find("weight_hash") == nullptr ? 0 : t::hash(s, "weight_hash")});
  }
  return table;
}

// Writes a table to a file, whole or not at all. Throws file_error.
inline void save(const threshold_table& table, const std::string& path) {
  replace_file(path, to_json(table));
}

// Reads a table from a file. Throws file_error when it cannot be read, format_error for text that
// table_from_json() refuses; the message names the file.
[[nodiscard]] inline threshold_table load_threshold_table(const std::string& path) {
  const std::string text = read_file(path);
#if SPARSELLM_HAS_EXCEPTIONS
  try {
    return table_from_json(text);
  } catch (const error& e) {
    raise<format_error>(concat("'", path, "': ", e.what()));
  }
#else
  return table_from_json(text);
#endif
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
