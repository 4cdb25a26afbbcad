// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "observation.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "log.hpp"
#include "settings.hpp"
#include "sparsellm/calibrate/counts_json.hpp"
#include "sparsellm/core/error.hpp"

namespace sparsellm_ggml {

using namespace sparsellm;

namespace {

struct kept_counts {
  std::mutex mutex;
  activation_counts all{"a model that llama.cpp ran", {}};
};
kept_counts& the_kept() {
  static kept_counts kept;
  return kept;
}

}  // namespace

observation::observation(site where, extents shape, std::uint64_t weight_hash)
    : where_(std::move(where)), shape_(shape), weight_hash_(weight_hash), values_(std::in_place) {}

std::size_t observation::add(matrix_view<const float> rows) {
  const std::lock_guard lock(mutex_);
  if (values_.has_value())
    for (std::size_t r = 0; r < rows.rows(); ++r) values_->observe(rows.row(r));
  return rows_ += rows.rows();
}

float observation::end_with_quantile(double q) {
  const std::lock_guard lock(mutex_);
  const float threshold = values_.value().quantile(q);
  values_.reset();
  return threshold;
}

std::optional<site_counts> observation::counts() {
  const std::lock_guard lock(mutex_);
  if (rows_ == 0) return std::nullopt;
  return site_counts{where_, shape_, weight_hash_, rows_, compact_histogram(values_.value())};
}

void keep_counts(observation& seen) {
  std::optional<site_counts> counts = seen.counts();
  if (!counts.has_value()) return;
  kept_counts& kept = the_kept();
  const std::lock_guard lock(kept.mutex);
  auto& sites = kept.all.sites;
  const auto at = std::find_if(sites.begin(), sites.end(),
                               [&](const site_counts& s) { return s.where == counts->where; });
  if (at != sites.end() && (at->shape != counts->shape || at->weight_hash != counts->weight_hash))
    *at = std::move(*counts);
  else
    kept.all.add(std::move(*counts));
}

void write_counts() {
  kept_counts& kept = the_kept();
  const std::lock_guard lock(kept.mutex);
  const auto& sites = kept.all.sites;
  if (sites.empty()) return;
  const std::string& path = the_settings().calibrate;
  try {
    save(kept.all, path);
    const auto fewest = std::min_element(
        sites.begin(), sites.end(),
        [](const site_counts& a, const site_counts& b) { return a.rows < b.rows; });
    say(concat("counted the inputs of ", sites.size(), " projections, ", fewest->rows,
               " rows and more: '", path, "'"));
  } catch (const std::exception& e) {
    say(concat("no counts were written: ", e.what()));
  }
}

}  // namespace sparsellm_ggml
