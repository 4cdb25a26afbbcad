// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Threshold tables as versioned JSON text; docs/formats.md describes every field. Numbers round
// trip exactly.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sparsellm/calibrate/json.hpp"
#include "sparsellm/calibrate/json_members.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::table_json {

// What the field `format` says, and errors begin with.
inline constexpr std::string_view format_name = "sparsellm-thresholds", file = "threshold table";

// Names of enumerators, in their order.
inline constexpr std::array<std::string_view, 3> score_names{"magnitude", "column_scaled", "gate"};
inline constexpr std::array<std::string_view, 2> selection_names{"above", "top_k"};

// The member of a site that has such numbers.
[[nodiscard]] inline std::string numbers_member(std::string_view name,
                                                const std::vector<float>& numbers) {
  if (numbers.empty()) return {};
  std::string out = concat(", \"", name, "\": [");
  for (std::size_t i = 0; i < numbers.size(); ++i)
    out += concat(i == 0 ? "" : ", ", json::number(numbers[i]));
  return out + "]";
}

[[nodiscard]] inline std::vector<float> read_numbers(const json::members& s,
                                                     std::string_view name) {
  std::vector<float> numbers;
  if (!s.has(name)) return numbers;
  for (const json::value& v : s.items(name)) {
    require<format_error>(v.type == json::value::kind::number, file, ": '", name,
                          "' has a member of the wrong type");
    numbers.push_back(static_cast<float>(v.number));
  }
  require<format_error>(!numbers.empty(), file, ": '", name, "' is empty");
  return numbers;
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
                  t::numbers_member("bias", s.bias), t::numbers_member("centre", s.centre), "}");
  }
  return out + "\n  ]\n}\n";
}

// A table from its text, as docs/formats.md describes it; versions 1 to 3 are read too. Throws
// format_error for text that is no such table, value_error for values outside their range.
[[nodiscard]] inline threshold_table table_from_json(std::string_view text) {
  namespace t = detail::table_json;
  namespace json = detail::json;
  const json::value parsed = json::parse(text);
  const json::members root = json::members_of(parsed, t::file, t::format_name);
  const std::size_t version = root.whole("version");
  require<format_error>(version >= 1 && version <= threshold_table::format_version, t::file,
                        ": version 1 to ", threshold_table::format_version, " expected, got ",
                        version);
  threshold_table table;
  table.model = {root.text("model"), root.hash("weight_hash")};
  table.method = root.text("method");
  table.tokens = root.whole("tokens");
  table.target_sparsity = root.real("target_sparsity");
  if (version >= 2) {
    table.score = root.named<table_score>("score", t::score_names);
    table.selection = root.named<table_selection>("selection", t::selection_names);
  }
  for (const json::value& v : root.items("sites")) {
    const json::members s(v, t::file);
    table.add({{s.whole("layer"), s.text("projection")},
               {s.whole("outputs"), s.whole("inputs")},
               s.real("sparsity"),
               static_cast<float>(s.real("threshold")),
               s.has("weight_hash") ? s.hash("weight_hash") : 0,
               version >= 3 ? t::read_numbers(s, "bias") : std::vector<float>{},
               version >= 4 ? t::read_numbers(s, "centre") : std::vector<float>{}});
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
  return detail::json::load(path, table_from_json);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
