// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// calibrate: a text in, a threshold table out.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

void run_calibrate(const options& o, ordered_json& result) {
  check_sparsity(o.sparsity);
  require<value_error>(o.window >= 2, "--window: at least 2 tokens expected, got ", o.window);
  require<value_error>(o.tokens >= 2, "--tokens: at least 2 expected, got ", o.tokens);
  sparsellm::output_file out(o.output);  // refused before the work
  setup s(o, o.sparsity);
  const std::vector<window> windows = cut_windows(
      read_ids(s.tokenizer, o.text), std::min(o.window, s.model.shape().context), o.tokens);
  sparsellm::threshold_table table = calibrate(s, o, o.sparsity, windows);
  // For engines that see one weight at a time.
  for (sparsellm::site_threshold& entry : table.sites)
    for (const projection p : s.model.shape().projections())
      if (entry.where.projection == name(p))
        entry.weight_hash = s.model.weight_hash_of(entry.where.layer, p);
  out.append(to_json(table));
  out.commit();
  result = describe(s, o);
  result["output"] = o.output;
  result["method"] = table.method;
  result["tokens"] = table.tokens;
  result["target_sparsity"] = table.target_sparsity;
  result["sites"] = table.sites.size();
  std::printf("%zu thresholds for %.0f %% from %zu tokens: %s\n", table.sites.size(),
              100 * table.target_sparsity, static_cast<std::size_t>(table.tokens),
              o.output.c_str());
}

}  // namespace llama
