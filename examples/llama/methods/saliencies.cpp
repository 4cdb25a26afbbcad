// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/saliencies.hpp"

#include <utility>

#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/prune/saliency.hpp"

namespace llama {

using sparsellm::channel_stats;

namespace {

std::vector<double> norms(const channel_stats& stats) {
  std::vector<double> n(stats.channels());
  for (std::size_t c = 0; c < n.size(); ++c) n[c] = stats.l2_norm(c);
  return n;
}

std::vector<float> e_sparse(const saliency_options& how, observed_text& text, std::size_t l,
                            activation_site site, const channel_stats& stats) {
  const sparsellm::entropy seen = text.entropies(l, site, stats, how.entropy);
  std::vector<double> entropies(stats.channels()), sizes(stats.channels());
  for (std::size_t c = 0; c < stats.channels(); ++c) {
    entropies[c] = seen.value(c);
    sizes[c] = how.root_mean_square ? stats.root_mean_square(c) : stats.l2_norm(c);
  }
  return sparsellm::e_sparse_scale(entropies, sizes, how.alpha);
}

}  // namespace

std::vector<matrix> saliencies(sparsellm::cpu::executor& exec, const saliency_options& how,
                               observed_text& text, std::size_t l, activation_site site,
                               const std::vector<matrix>& weights) {
  const channel_stats stats = text.statistics(l, site);
  std::vector<float> scale;
  if (how.score == metric::wanda) scale = sparsellm::wanda_scale(norms(stats));
  if (how.score == metric::e_sparse) scale = e_sparse(how, text, l, site, stats);
  std::vector<matrix> scores;
  for (const matrix& w : weights) {
    matrix s(w.rows, w.cols);
    if (how.score == metric::ria)
      sparsellm::score_weights(exec, w.view(), sparsellm::ria(exec, w.view(), norms(stats)),
                               s.view());
    else
      sparsellm::score_weights(exec, w.view(),
                               sparsellm::scaled_magnitude{scale.empty() ? nullptr : scale.data()},
                               s.view());
    scores.push_back(std::move(s));
  }
  return scores;
}

}  // namespace llama
