// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What was counted of the inputs of a model's weights, apart from any sparsity: thresholds for as
// many as are wanted come of it later, and counts of more text add up. Each site knows its weight
// by hash, so that counts of another model are refused. JSON text: calibrate/counts_json.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/observe/compact_histogram.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// One site's inputs, counted.
struct site_counts {
  site where;
  extents shape;                  // of the weight
  std::uint64_t weight_hash = 0;  // of the weight's bytes in its file; 0 where it is not known
  std::uint64_t rows = 0;         // of inputs; tokens, of a mixture's experts those that chose any
  compact_histogram values;       // of the rows' |x|
};

// The counts of a model's sites.
struct activation_counts {
  static constexpr int format_version = 1;

  std::string model;  // a name for people
  std::vector<site_counts> sites;

  // nullptr when the site was not counted.
  [[nodiscard]] const site_counts* find(const site& where) const {
    const auto at = std::find_if(sites.begin(), sites.end(),
                                 [&](const site_counts& s) { return s.where == where; });
    return at == sites.end() ? nullptr : &*at;
  }

  // Adds a site, to what there is of it, if any: as if all rows had been counted at once. Throws
  // format_error for no rows, for values that are not as many as the rows have, and for a site that
  // is there with another shape or weight.
  void add(site_counts more) {
    check(more);
    const site_counts* const found = find(more.where);
    if (found == nullptr) {
      sites.push_back(std::move(more));
      return;
    }
    site_counts& s = sites[static_cast<std::size_t>(found - sites.data())];
    require<format_error>(s.shape == more.shape, name(s), " is ", s.shape.outputs, "x",
                          s.shape.inputs, " in some and ", more.shape.outputs, "x",
                          more.shape.inputs, " in others");
    require<format_error>(s.weight_hash == more.weight_hash, name(s), " is a weight with hash ",
                          detail::hexadecimal(s.weight_hash), " in some and ",
                          detail::hexadecimal(more.weight_hash), " in others");
    require<format_error>(more.rows <= most_rows(s.shape) - s.rows, name(s), ": at most ",
                          most_rows(s.shape), " rows expected, got ", s.rows, " and ", more.rows);
    histogram both = s.values.expand();
    both.merge(more.values.expand());
    s.values = compact_histogram(both);
    s.rows += more.rows;
  }
  // Adds all sites of another's. Throws as add() of a site does; sites before that are added.
  void merge(const activation_counts& other) {
    for (const site_counts& s : other.sites) add(s);
  }

 private:
  [[nodiscard]] static std::string name(const site_counts& s) {
    return concat("activation counts: layer ", s.where.layer, " ", s.where.projection);
  }
  // As many as JSON's numbers tell apart, of which all values can be counted.
  [[nodiscard]] static std::uint64_t most_rows(extents shape) noexcept {
    return std::min(std::uint64_t{1} << 53,
                    std::numeric_limits<std::uint64_t>::max() / shape.inputs);
  }
  static void check(const site_counts& s) {
    require<format_error>(s.rows != 0 && s.shape.inputs != 0 && s.shape.outputs != 0, name(s),
                          ": rows of inputs of a weight expected, got ", s.rows, " of one of ",
                          s.shape.outputs, "x", s.shape.inputs);
    require<format_error>(
        s.rows <= most_rows(s.shape) && s.values.total() == s.rows * s.shape.inputs, name(s),
        ": the values of ", s.rows, " rows of ", s.shape.inputs, " inputs expected, got ",
        s.values.total());
  }
};

// A threshold for each site that was counted, as calibrate() of observations gives them and throws
// for. The table knows each weight by its hash; its number of tokens is the fewest rows of a site.
// Takes 1 MiB for each site meanwhile; sites with the same inputs share it.
template <calibrator C>
[[nodiscard]] threshold_table calibrate(const C& how, const activation_counts& counts) {
  std::map<std::string_view, histogram> values;
  std::vector<site_observation> seen;
  for (const site_counts& s : counts.sites) {
    const auto [at, is_new] = values.try_emplace(s.values.text());
    if (is_new) at->second = s.values.expand();
    seen.push_back({s.where, s.shape, &at->second});
  }
  threshold_table table = calibrate(how, seen);
  table.model.name = counts.model;
  for (std::size_t i = 0; i < counts.sites.size(); ++i) {
    table.sites[i].weight_hash = counts.sites[i].weight_hash;
    table.tokens = i == 0 ? counts.sites[i].rows : std::min(table.tokens, counts.sites[i].rows);
  }
  return table;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
