// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "thresholds.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "log.hpp"
#include "projection.hpp"
#include "settings.hpp"
#include "sparsellm/calibrate/activation_counts.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/calibrate/profile.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

namespace {

threshold_table read_table(const std::string& path) {
  threshold_table t = load_threshold_table(path);
  require<value_error>(t.score == table_score::magnitude && t.selection == table_selection::above,
                       "'", path,
                       "': thresholds of |x| expected (the score 'magnitude', the selection "
                       "'above'); WINA, CATS and "
                       "top-k are sparsellm-llama's alone");
  return t;
}

threshold_table of_counts(const std::string& path) {
  const settings& s = the_settings();
  const activation_counts counts = load_activation_counts(path);
  require<value_error>(!counts.sites.empty(), "'", path, "': nothing was counted");
  return s.divided == allocation::profile ? calibrate(profile{s.sparsity}, counts)
                                          : calibrate(uniform{s.sparsity}, counts);
}

std::optional<threshold_table> read() {
  const settings& s = the_settings();
  if (s.thresholds.empty() && s.counts.empty()) return std::nullopt;
  const std::string& path = s.counts.empty() ? s.thresholds : s.counts;
  threshold_table t = s.counts.empty() ? read_table(path) : of_counts(path);
  say(concat("thresholds for ", t.sites.size(), " projections from '", path, "': ", t.method, ", ",
             100 * t.target_sparsity, " %, made for '", t.model.name, "'"));
  const bool verified = std::all_of(t.sites.begin(), t.sites.end(), [](const site_threshold& site) {
    return site.weight_hash != 0;
  });
  if (!verified)
    say("there is no hash of each weight in it: that it is of this model is not checked");
  return t;
}

const std::optional<threshold_table>& the_table() {
  static const std::optional<threshold_table> table = read();
  return table;
}

}  // namespace

void load_thresholds() { (void)the_table(); }

const site_threshold* threshold_of(const ggml_tensor& weight) {
  const std::optional<site> where = site_of(weight.name);
  if (!the_table().has_value() || !where.has_value()) return nullptr;
  return &the_table()->at(*where, shape_of(weight));
}

void check_weight(const ggml_tensor& weight, std::uint64_t hash) {
  (void)the_table()->at(site_of(weight.name).value(), shape_of(weight), hash);
}

}  // namespace sparsellm_ggml
