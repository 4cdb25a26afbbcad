// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Thresholds for a model: layer by layer, activation by activation, over windows of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "methods/observed_text.hpp"
#include "model/model.hpp"
#include "sparsellm/calibrate/activation_counts.hpp"
#include "sparsellm/calibrate/allocated.hpp"
#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"

namespace llama {

// Cuts ids into windows of `length` tokens, at most max_tokens in all; a text shorter than one
// window is one short window. Throws value_error when there are fewer than two tokens.
[[nodiscard]] std::vector<window> cut_windows(const std::vector<std::int32_t>& ids,
                                              std::size_t length, std::size_t max_tokens);

// Every projection of the model, for calibrators that divide a sparsity between them.
[[nodiscard]] std::vector<sparsellm::site_observation> sites_of(const model& m);

// What `how` gives to each site of the model. CATS spares all but up and down.
template <sparsellm::calibrator C>
[[nodiscard]] sparsellm::allocated allocate(const C& how, const model& m,
                                            sparsellm::table_score score) {
  const std::vector<sparsellm::site_observation> sites = sites_of(m);
  const std::vector<double> shares = how.allocate(sites);
  sparsellm::allocated result{how.method(), how.target(), {}};
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const std::string& p = sites[i].where.projection;
    const bool spared = score == sparsellm::table_score::gate && p != name(projection::up) &&
                        p != name(projection::down);
    result.shares.push_back({sites[i].where, spared ? 0.0 : shares[i]});
  }
  return result;
}

struct calibration {
  sparsellm::allocated shares;
  sparsellm::table_score score = sparsellm::table_score::magnitude;
  sparsellm::table_selection selection = sparsellm::table_selection::above;
  // Exact zeros alone are skipped; the sparsity of a site is the share of them that is seen.
  bool zeros = false;
  // Each activation is observed with everything before it already sparsified, so that the
  // thresholds fit the activations they will meet.
  bool sequential = false;
  // Thresholds on |x - centre|, the centre of each channel where half of its values are the nearest
  // to each other. Not with CATS' scores.
  bool centred = false;
  std::size_t dense_prefix = 0;  // with sequential: positions that stay dense, as they will in use
  // Where what is counted of |x| is added, without hashes of weights; null for nowhere. Not with
  // other scores, nor with sequential.
  sparsellm::activation_counts* counts = nullptr;
  // Whose biases the new table takes over, and is observed with; null for none.
  const sparsellm::threshold_table* biases = nullptr;
};

// The centres [channels] of the site that the text has last gone to, over rows from `first` on of
// all windows: mean_of_nearest_half of each channel, of up to 4,096 evenly spaced rows.
[[nodiscard]] std::vector<float> find_centres(sparsellm::cpu::executor& exec, observed_text& text,
                                              std::size_t layer, activation_site site,
                                              std::size_t first);

// Observes scores at the four activations of every block and sets the thresholds of the
// projections. The model leaves with the thresholds in use.
[[nodiscard]] sparsellm::threshold_table calibrate_model(
    sparsellm::cpu::executor& exec, model& m, const std::vector<window>& windows,
    const calibration& how, const progress& report, const text_maker& make_text = make_host_text);

}  // namespace llama
