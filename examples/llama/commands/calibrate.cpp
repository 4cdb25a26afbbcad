// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// calibrate: a text in, a threshold table out.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

// For engines that see one weight at a time.
void add_hashes(const model& m, sparsellm::threshold_table& table) {
  for (sparsellm::site_threshold& s : table.sites)
    for (const projection p : m.shape().projections())
      if (s.where.projection == name(p)) s.weight_hash = m.weight_hash_of(s.where.layer, p);
}

}  // namespace

void run_calibrate(const options& o, ordered_json& result) {
  check_sparsity(o.sparsity);
  require<value_error>(o.window >= 2, "--window: at least 2 tokens expected, got ", o.window);
  require<value_error>(o.tokens >= 2, "--tokens: at least 2 expected, got ", o.tokens);
  require<value_error>(
      o.write_counts.empty() ||
          (parse_score(o.score) == sparsellm::table_score::magnitude && !o.sequential),
      "--write-counts: |x| in the dense model is counted, which --score wina, --score cats and "
      "--sequential do not observe");
  sparsellm::output_file out(o.output);  // refused before the work
  std::optional<sparsellm::output_file> counts_out;
  if (!o.write_counts.empty()) counts_out.emplace(o.write_counts);
  setup s(o, o.sparsity);
  const std::vector<window> windows = text_windows(s, o, o.text, o.tokens);
  sparsellm::activation_counts counts{s.model.shape().name, {}};
  std::vector<double> divergences;
  sparsellm::threshold_table table = calibrate(
      s, o, o.sparsity, windows, counts_out.has_value() ? &counts : nullptr, &divergences);
  add_hashes(s.model, table);
  out.append(to_json(table));
  out.commit();
  result = describe(s, o);
  result["output"] = o.output;
  if (counts_out.has_value()) {
    for (sparsellm::site_counts& c : counts.sites) c.weight_hash = table.at(c.where).weight_hash;
    counts_out->append(to_json(counts));
    counts_out->commit();
    result["counts"] = o.write_counts;
  }
  result.update(describe(table));
  if (!divergences.empty()) result["divergences"] = divergences;
  print_made(table, o.output);
}

}  // namespace llama
