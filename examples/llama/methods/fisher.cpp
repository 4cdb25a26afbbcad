// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/fisher.hpp"

#include <cmath>

#include "methods/calibration.hpp"
#include "methods/observed_text.hpp"
#include "methods/squared_gradients.hpp"
#include "sparsellm/calibrate/one_level.hpp"

namespace llama {

using sparsellm::histogram;

sparsellm::allocated allocate_by_fisher(sparsellm::cpu::executor& exec, model& m,
                                        const std::vector<window>& windows,
                                        std::size_t gradient_windows, double sparsity, bool centred,
                                        const progress& report) {
  const config& c = m.shape();
  const squared_gradients sums = sum_squared_gradients(exec, m, windows, gradient_windows,
                                                       [&](double share) { report(0.7 * share); });
  std::vector<per_site<histogram>> seen(c.layers);
  const auto text = make_host_text(exec, m, windows, windows.front().size());
  for (std::size_t l = 0; l < c.layers; ++l) {
    for (const activation_site site : activation_sites) {
      text->go_to(l, site);
      const std::vector<float> centre =
          centred ? find_centres(exec, *text, l, site, 0) : std::vector<float>{};
      seen[l][site] = text->magnitudes(l, site, 0, {}, centre);
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
      how.harms.push_back(
          std::sqrt(sums.layers[l][p].of_input / (sums.tokens * static_cast<double>(e.inputs)) /
                    static_cast<double>(e.outputs)));
    }
  const std::vector<double> shares = how.allocate(sites);
  sparsellm::allocated result{how.method(), sparsity, {}};
  for (std::size_t s = 0; s < sites.size(); ++s)
    result.shares.push_back({sites[s].where, shares[s]});
  return result;
}

}  // namespace llama
