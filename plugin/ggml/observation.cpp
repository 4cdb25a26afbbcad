// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "observation.hpp"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "log.hpp"
#include "settings.hpp"
#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/calibrate/profile.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

namespace {

struct kept_observations {
  std::mutex mutex;
  std::vector<std::unique_ptr<observation>> list;
};
kept_observations& the_kept() {
  static kept_observations kept;
  return kept;
}

}  // namespace

observation::observation(site where, extents shape, std::uint64_t weight_hash)
    : where_(std::move(where)), shape_(shape), weight_hash_(weight_hash), values_(std::in_place) {}

std::size_t observation::add(matrix_view<const float> rows) {
  const std::lock_guard lock(mutex_);
  if (values_.has_value())
    for (std::size_t r = 0; r < rows.rows(); ++r) values_->observe(rows.row(r));
  return tokens_ += rows.rows();
}

float observation::end_with_quantile(double q) {
  const std::lock_guard lock(mutex_);
  const float threshold = values_.value().quantile(q);
  values_.reset();
  return threshold;
}

void keep_for_table(std::unique_ptr<observation> seen) {
  if (seen->tokens_ == 0) return;  // a model that was loaded and never run
  kept_observations& kept = the_kept();
  const std::lock_guard lock(kept.mutex);
  for (std::unique_ptr<observation>& o : kept.list) {
    if (o->where_ != seen->where_) continue;
    if (o->shape_ == seen->shape_ && o->weight_hash_ == seen->weight_hash_) {
      seen->values_.value().merge(o->values_.value());
      seen->tokens_ += o->tokens_;
    }
    o = std::move(seen);
    return;
  }
  kept.list.push_back(std::move(seen));
}

void write_table() {
  const settings& s = the_settings();
  kept_observations& kept = the_kept();
  const std::lock_guard lock(kept.mutex);
  if (kept.list.empty()) return;
  try {
    std::vector<site_observation> seen;
    std::size_t tokens = kept.list[0]->tokens_;
    for (const auto& o : kept.list) {
      seen.push_back({o->where_, o->shape_, &o->values_.value()});
      tokens = std::min(tokens, o->tokens_);
    }
    threshold_table table = s.divided == allocation::profile ? calibrate(profile{s.sparsity}, seen)
                                                             : calibrate(uniform{s.sparsity}, seen);
    table.model.name = "a model that llama.cpp ran";
    table.tokens = tokens;
    for (std::size_t i = 0; i < seen.size(); ++i)
      table.sites[i].weight_hash = kept.list[i]->weight_hash_;
    save(table, s.calibrate);
    say(concat(table.sites.size(), " thresholds for ", 100 * s.sparsity, " % from ", tokens,
               " tokens: '", s.calibrate, "'"));
  } catch (const std::exception& e) {
    say(concat("no table was written: ", e.what()));
  }
}

}  // namespace sparsellm_ggml
