// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// Windows of a text scored under many thresholds. What is dense in all of them, the first half of a
// window, is computed once.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "catch2_any.hpp"
#include "llama/continued.hpp"
#include "llama/real_model.hpp"
#include "methods/calibration.hpp"
#include "methods/perplexity.hpp"
#include "model/session.hpp"
#include "model/sparsity_meter.hpp"

// What is compared with the reference of that name.
struct setting {
  std::string name;
  double sparsity;
  llama::calibration how;
  std::size_t dense_prefix;
};
struct outcome {
  double nll = 0, nll_half2 = 0;  // nats per token
  double total = 0;               // skipped
  llama::per_projection<double> of_projection;
};

// Scores the windows under every setting with this dense prefix: none, or the first half.
inline void score_all(real_model& r, const std::vector<llama::window>& windows, std::size_t prefix,
                      const std::vector<setting>& all,
                      const std::vector<sparsellm::threshold_table>& tables,
                      std::map<std::string, outcome>& into) {
  const sparsellm::model_identity self = r.m.identity();
  const std::size_t length = windows.front().size();
  REQUIRE((prefix == 0 || prefix == length / 2));
  std::map<std::string, llama::sparsity_meter> meters;
  llama::session s(r.exec, r.m, length, length);
  for (const llama::window& w : windows) {
    const auto middle = w.begin() + static_cast<std::ptrdiff_t>(prefix);
    double before = 0;
    s.rewind();
    if (prefix != 0) {  // with the token after it, which it predicts
      const llama::perplexity_result half =
          llama::measure_perplexity(r.exec, s, {{w.begin(), middle + 1}}, length, nullptr, quiet);
      before = half.nll * static_cast<double>(half.tokens_scored);
      s.rewind(prefix);
    }
    continued rest(s);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].dense_prefix != prefix) continue;
      r.m.use(r.exec, tables[i], self);
      llama::sparsity_meter& meter = meters.try_emplace(all[i].name, r.m).first->second;
      const llama::activation_observer count = meter.observer(0);
      const llama::perplexity_result after =
          llama::measure_perplexity(r.exec, rest, {{middle, w.end()}}, 0, &count, quiet);
      outcome& o = into[all[i].name];
      o.nll += before + after.nll * static_cast<double>(after.tokens_scored);
      o.nll_half2 += prefix == 0 ? after.nll_half2 : after.nll;
    }
  }
  for (const auto& [name, meter] : meters) {
    outcome& o = into[name];
    o.nll /= static_cast<double>(windows.size() * (length - 1));
    o.nll_half2 /= static_cast<double>(windows.size());
    o.total = meter.total();
    for (const llama::projection p : llama::projections) o.of_projection[p] = meter.sparsity(p);
  }
}

// With either prefix.
inline std::map<std::string, outcome> score_all(
    real_model& r, const std::vector<llama::window>& windows, const std::vector<setting>& all,
    const std::vector<sparsellm::threshold_table>& tables) {
  std::map<std::string, outcome> outcomes;
  for (const std::size_t prefix : {std::size_t{0}, windows.front().size() / 2})
    score_all(r, windows, prefix, all, tables, outcomes);
  return outcomes;
}
