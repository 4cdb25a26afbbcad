// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// All windows pass one step of a block before any passes the next: one histogram is in memory at a
// time, and in the sequential case each step's thresholds are known before it runs.
#include "methods/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "sparsellm/calibrate/nearest_half.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::histogram;
using sparsellm::site_observation;
using sparsellm::site_threshold;
using sparsellm::table_score;
using sparsellm::threshold_table;

std::vector<window> cut_windows(const std::vector<std::int32_t>& ids, std::size_t length,
                                std::size_t max_tokens) {
  const std::size_t tokens = std::min(ids.size(), max_tokens);
  sparsellm::require<sparsellm::value_error>(
      tokens >= 2, "calibration: at least 2 tokens of text expected, got ", tokens);
  std::vector<window> windows;
  for (std::size_t at = 0; at + length <= tokens; at += length)
    windows.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                         ids.begin() + static_cast<std::ptrdiff_t>(at + length));
  if (windows.empty())
    windows.emplace_back(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(tokens));
  return windows;
}

std::vector<site_observation> sites_of(const model& m) {
  std::vector<site_observation> sites;
  for (std::size_t l = 0; l < m.shape().layers; ++l)
    for (const projection p : m.shape().projections())
      sites.push_back({{l, name(p)}, m.extents_of(p)});
  return sites;
}

namespace {

void add_counts(sparsellm::activation_counts& counts, const std::vector<site_observation>& sites,
                const histogram& seen, std::uint64_t rows) {
  const sparsellm::compact_histogram values(seen);
  for (const site_observation& s : sites) counts.add({s.where, s.shape, 0, rows, values});
}

void set_to_zeros(site_threshold& entry, const histogram& seen) {
  entry.threshold = 0.0f;
  // Below 1, which is no sparsity: a channel may be live in another text.
  const double share = static_cast<double>(seen.zeros()) / static_cast<double>(seen.count());
  entry.sparsity = std::min(share, 0.999);
}

}  // namespace

std::vector<float> find_centres(sparsellm::cpu::executor& exec, observed_text& text,
                                std::size_t layer, activation_site site, std::size_t first) {
  constexpr std::size_t most_rows = 4096;
  const const_rows one = text.rows_of(layer, site, 0);
  const std::size_t length = one.rows(), channels = one.cols();
  const std::size_t all = text.windows() * (length - first);
  const std::size_t step = (all + most_rows - 1) / most_rows;
  const std::size_t seen = (all + step - 1) / step;
  sparsellm::buffer<float> columns(channels * seen);
  for (std::size_t w = 0, at = 0; w < text.windows(); ++w) {
    const const_rows x = text.rows_of(layer, site, w);
    for (std::size_t t = first; t < length; ++t) {
      const std::size_t row = w * (length - first) + t - first;
      if (row % step != 0) continue;
      for (std::size_t c = 0; c < channels; ++c) columns[c * seen + at] = x(t, c);
      ++at;
    }
  }
  std::vector<float> centres(channels);
  exec.parallel_for(channels, [&](std::size_t c) {
    centres[c] = sparsellm::mean_of_nearest_half({columns.data() + c * seen, seen});
  });
  return centres;
}

threshold_table calibrate_model(sparsellm::cpu::executor& exec, model& m,
                                const std::vector<window>& windows, const calibration& how,
                                const progress& report, const text_maker& make_text) {
  const std::size_t length = windows.front().size();
  // A dense forward pass stands for every position; a sparsified one shows what thresholds will
  // meet.
  const std::size_t observed = how.sequential ? how.dense_prefix : 0;
  sparsellm::require<sparsellm::value_error>(
      observed < length, "calibration: windows of ", length,
      " tokens leave nothing to observe after a dense prefix of ", how.dense_prefix);
  sparsellm::require<sparsellm::value_error>(
      how.score != table_score::gate || (how.selection == sparsellm::table_selection::above),
      "calibration: the gate's score takes thresholds alone, not top-k");
  sparsellm::require<sparsellm::value_error>(
      how.score != table_score::gate || m.shape().is_gated(),
      "calibration: CATS' scores are those of a gate, which this model's MLP has not");
  sparsellm::require<sparsellm::value_error>(
      how.counts == nullptr || (how.score == table_score::magnitude && !how.sequential),
      "calibration: counts are of |x| in the dense model, which other scores and a sequential "
      "calibration do not observe");
  sparsellm::require<sparsellm::value_error>(
      !how.centred || (how.score != table_score::gate && !how.zeros && how.counts == nullptr),
      "calibration: centres go with scores of |x - centre| alone, not with CATS' scores, exact "
      "zeros or counts of |x|");
  const std::unique_ptr<observed_text> text =
      make_text(exec, m, windows, how.sequential ? how.dense_prefix : length);

  threshold_table table;
  table.model = m.identity();
  table.method =
      how.shares.how + (how.centred ? " centred" : "") + (how.sequential ? " sequential" : "");
  table.tokens = windows.size() * length;
  table.target_sparsity = how.shares.sparsity;
  table.score = how.score;
  table.selection = how.selection;

  for (std::size_t l = 0; l < m.shape().layers; ++l) {
    histogram gates;  // of CATS, which decides at mlp for down too
    for (const activation_site site : activation_sites) {
      text->go_to(l, site);
      const std::vector<float> scale = how.score == table_score::column_scaled
                                           ? m.column_norms(exec, l, site)
                                           : std::vector<float>{};
      const std::vector<float> centre =
          how.centred ? find_centres(exec, *text, l, site, observed) : std::vector<float>{};
      histogram seen;
      if (how.score != table_score::gate)
        seen = text->magnitudes(l, site, observed, scale, centre);
      else if (site == activation_site::mlp_input)
        gates = text->gate_magnitudes(l, observed);
      const bool by_gate = how.score == table_score::gate;
      std::vector<site_observation> sites;
      for (const projection p : m.shape().readers(site))
        sites.push_back({{l, name(p)}, m.extents_of(p), &seen});
      if (how.counts != nullptr) add_counts(*how.counts, sites, seen, table.tokens);
      const bool in_mlp = site >= activation_site::mlp_input;
      if (by_gate && in_mlp)
        for (site_observation& s : sites) s.values = &gates;
      if (by_gate && !in_mlp) {
        for (const site_observation& s : sites) table.add({s.where, s.shape, 0.0, 0.0f});
      } else {
        for (site_threshold& entry : sparsellm::calibrate(how.shares, sites).sites) {
          if (how.zeros) set_to_zeros(entry, seen);
          if (how.centred)
            entry.centre =
                in_file_order(m.column_order(l, m.shape().readers(site).front()), centre);
          if (how.biases != nullptr) entry.bias = how.biases->at(entry.where).bias;
          table.add(std::move(entry));
        }
      }
      m.use(exec, table, l, site);
      text->thresholds_changed(l, site);
    }
    text->leave(l);
    report(static_cast<double>(l + 1) / static_cast<double>(m.shape().layers));
  }
  return table;
}

}  // namespace llama
