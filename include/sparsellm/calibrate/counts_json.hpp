// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Activation counts as versioned JSON text; docs/formats.md describes every field. Nothing is
// lost on the way, so files of parts of a text add up to that of the whole.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sparsellm/calibrate/activation_counts.hpp"
#include "sparsellm/calibrate/json.hpp"
#include "sparsellm/calibrate/json_members.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"
#include "sparsellm/observe/compact_histogram.hpp"

namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::counts_json {

// What the field `format` says, and errors begin with.
inline constexpr std::string_view format_name = "sparsellm-counts", file = "activation counts";

}  // namespace sparsellm::inline v0::detail::inline SPARSELLM_BASELINE::counts_json

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The text of counts, as docs/formats.md describes it. Equal histograms, as those of projections
// that read one input, are written once.
[[nodiscard]] inline std::string to_json(const activation_counts& counts) {
  using detail::json::quote;
  std::map<std::string_view, std::size_t> places;
  std::string histograms, sites;
  for (const site_counts& s : counts.sites) {
    const auto [at, is_new] = places.try_emplace(s.values.text(), places.size());
    if (is_new) histograms += concat(at->second == 0 ? "\n" : ",\n", "    ", quote(at->first));
    sites += concat(sites.empty() ? "\n" : ",\n", "    {\"layer\": ", s.where.layer,
                    ", \"projection\": ", quote(s.where.projection),
                    ", \"outputs\": ", s.shape.outputs, ", \"inputs\": ", s.shape.inputs,
                    ", \"weight_hash\": \"", detail::hexadecimal(s.weight_hash),
                    "\", \"rows\": ", s.rows, ", \"histogram\": ", at->second, "}");
  }
  return concat("{\n  \"format\": ", quote(detail::counts_json::format_name),
                ",\n  \"version\": ", activation_counts::format_version,
                ",\n  \"model\": ", quote(counts.model), ",\n  \"histograms\": [", histograms,
                "\n  ],\n  \"sites\": [", sites, "\n  ]\n}\n");
}

// Counts from their text. Throws format_error for text that is none: another format or version, a
// site twice, histograms that no site has or that are none, and what activation_counts::add()
// throws for.
[[nodiscard]] inline activation_counts counts_from_json(std::string_view text) {
  namespace c = detail::counts_json;
  const detail::json::value parsed = detail::json::parse(text);
  const detail::json::members root = detail::json::members_of(parsed, c::file, c::format_name);
  const std::size_t version = root.whole("version");
  require<format_error>(version == activation_counts::format_version, c::file, ": version ",
                        activation_counts::format_version, " expected, got ", version);
  std::vector<compact_histogram> histograms;
  for (const detail::json::value& h : root.items("histograms")) {
    require<format_error>(h.type == detail::json::value::kind::string, c::file,
                          ": 'histograms' has a member of the wrong type");
    histograms.push_back(compact_histogram::from_text(h.text));
  }
  activation_counts counts;
  counts.model = root.text("model");
  std::size_t used = 0;  // of the histograms; a site that brings a new one brings the next
  for (const detail::json::value& v : root.items("sites")) {
    const detail::json::members s(v, c::file);
    const std::size_t histogram = s.whole("histogram");
    require<format_error>(histogram < histograms.size() && histogram <= used, c::file,
                          ": a histogram of the ", histograms.size(),
                          " expected, each first used in their order, got ", histogram);
    if (histogram == used) ++used;
    const site where{s.whole("layer"), s.text("projection")};
    require<format_error>(counts.find(where) == nullptr, c::file, ": layer ", where.layer, " ",
                          where.projection, " is there twice");
    counts.add({where,
                {s.whole("outputs"), s.whole("inputs")},
                s.hash("weight_hash"),
                s.whole("rows"),
                histograms[histogram]});
  }
  require<format_error>(used == histograms.size(), c::file, ": ", histograms.size(),
                        " histograms and sites for ", used);
  return counts;
}

// Writes counts to a file, whole or not at all. Throws file_error.
inline void save(const activation_counts& counts, const std::string& path) {
  replace_file(path, to_json(counts));
}

// Reads counts from a file. Throws file_error when it cannot be read, format_error for text that
// counts_from_json() refuses; the message names the file.
[[nodiscard]] inline activation_counts load_activation_counts(const std::string& path) {
  return detail::json::load(path, counts_from_json);
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
