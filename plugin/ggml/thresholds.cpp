// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "thresholds.hpp"

#include <algorithm>
#include <optional>

#include "log.hpp"
#include "projection.hpp"
#include "settings.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

namespace {

std::optional<threshold_table> read() {
  const std::string& path = the_settings().thresholds;
  if (path.empty()) return std::nullopt;
  threshold_table t = load_threshold_table(path);
  require<value_error>(t.score == table_score::magnitude && t.selection == table_selection::above,
                       "'", path,
                       "': thresholds of |x| expected (the score 'magnitude', the selection "
                       "'above'); WINA, CATS and "
                       "top-k are sparsellm-llama's alone");
  say(concat("thresholds for ", t.sites.size(), " projections from '", path, "': ", t.method, ", ",
             100 * t.target_sparsity, " %, made for '", t.model.name, "'"));
  const bool verified = std::all_of(t.sites.begin(), t.sites.end(),
                                    [](const site_threshold& s) { return s.weight_hash != 0; });
  if (!verified)
    say("the table has no hash of each weight: that it is this model's is not checked");
  return t;
}

const std::optional<threshold_table>& the_table() {
  static const std::optional<threshold_table> table = read();
  return table;
}

}  // namespace

void load_thresholds() { (void)the_table(); }

const site_threshold* threshold_of(const ggml_tensor& weight, std::uint64_t hash) {
  const std::optional<site> where = site_of(weight.name);
  if (!the_table().has_value() || !where.has_value()) return nullptr;
  return &the_table()->at(*where, shape_of(weight), hash);
}

}  // namespace sparsellm_ggml
