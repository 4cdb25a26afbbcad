// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/fisher.hpp"

#include <algorithm>
#include <cmath>

#include "methods/log_softmax.hpp"
#include "methods/observed_text.hpp"
#include "methods/recorded_pass.hpp"
#include "sparsellm/calibrate/one_level.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::histogram;

namespace {

// [layers]: sums over tokens and channels.
using squared_gradients = std::vector<per_projection<double>>;

squared_gradients sum_squares(sparsellm::cpu::executor& exec, const model& m,
                              const std::vector<window>& windows, std::size_t count,
                              const progress& report) {
  const std::size_t length = windows.front().size();
  recorded_pass pass(exec, m, length, length);
  std::vector<kv_cache> caches;
  for (std::size_t l = 0; l < m.shape().layers; ++l) caches.emplace_back(m.shape(), length);
  squared_gradients sums(m.shape().layers);
  for (std::size_t w = 0; w < count; ++w) {
    const window& ids = windows[w];
    (void)pass.run(ids, 0, true, caches);
    pass.reverse(
        [&](std::size_t first, rows logits) {
          // The likelihood's gradient; the last row has no next token.
          exec.parallel_for(logits.rows(), [&](std::size_t r) {
            if (first + r + 1 == ids.size()) {
              std::fill(logits.row(r).begin(), logits.row(r).end(), 0.0f);
              return;
            }
            log_softmax(logits.row(r));
            for (float& l : logits.row(r)) l = -std::exp(l);
            logits(r, static_cast<std::size_t>(ids[first + r + 1])) += 1.0f;
          });
        },
        [&](std::size_t l, projection p, const_rows, const_rows of_input) {
          std::vector<double> of_row(of_input.rows(), 0.0);
          exec.parallel_for(of_input.rows(), [&](std::size_t t) {
            for (const float g : of_input.row(t))
              of_row[t] += static_cast<double>(g) * static_cast<double>(g);
          });
          for (const double s : of_row) sums[l][p] += s;
        });
    report(static_cast<double>(w + 1) / static_cast<double>(count));
  }
  return sums;
}

}  // namespace

sparsellm::allocated allocate_by_fisher(sparsellm::cpu::executor& exec, model& m,
                                        const std::vector<window>& windows,
                                        std::size_t gradient_windows, double sparsity,
                                        const progress& report) {
  const config& c = m.shape();
  const std::size_t count = std::min(gradient_windows, windows.size());
  sparsellm::require<sparsellm::value_error>(count != 0, "fisher: at least 1 window expected");
  const squared_gradients sums =
      sum_squares(exec, m, windows, count, [&](double share) { report(0.7 * share); });
  const auto values = static_cast<double>(count * windows.front().size());
  std::vector<per_site<histogram>> seen(c.layers);
  const auto text = make_host_text(exec, m, windows, windows.front().size());
  for (std::size_t l = 0; l < c.layers; ++l) {
    for (const activation_site site : activation_sites) {
      text->go_to(l, site);
      seen[l][site] = text->magnitudes(l, site, 0, {});
    }
    text->leave(l);
    report(0.7 + 0.3 * static_cast<double>(l + 1) / static_cast<double>(c.layers));
  }
  sparsellm::one_level how{"fisher", sparsity, {}};
  std::vector<sparsellm::site_observation> sites = sites_of(m);
  std::size_t i = 0;
  for (std::size_t l = 0; l < c.layers; ++l)
    for (const projection p : c.projections()) {
      const sparsellm::extents e = m.extents_of(p);
      sites[i++].values = &seen[l][site_of(p)];
      how.harms.push_back(std::sqrt(sums[l][p] / (values * static_cast<double>(e.inputs)) /
                                    static_cast<double>(e.outputs)));
    }
  const std::vector<double> shares = how.allocate(sites);
  sparsellm::allocated result{how.method(), sparsity, {}};
  for (std::size_t s = 0; s < sites.size(); ++s)
    result.shares.push_back({sites[s].where, shares[s]});
  return result;
}

}  // namespace llama
