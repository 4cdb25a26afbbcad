// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/reconstruction.hpp"

#include <algorithm>
#include <utility>

#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/reconstruct/refine.hpp"
#include "sparsellm/reconstruct/update.hpp"

namespace llama {

using sparsellm::gram;
using sparsellm::weight_mask;

gram gram_of(sparsellm::cpu::executor& exec, observed_text& text, std::size_t l,
             activation_site site) {
  gram g(text.rows_of(l, site, 0).cols());
  for (std::size_t w = 0; w < text.windows(); ++w) g.observe(exec, text.rows_of(l, site, w));
  return g;
}

sparsellm::cross_gram cross_gram_of(sparsellm::cpu::executor& exec, observed_text& dense,
                                    observed_text& text, std::size_t l, activation_site site) {
  const std::size_t channels = text.rows_of(l, site, 0).cols();
  sparsellm::cross_gram sums(channels, channels);
  for (std::size_t w = 0; w < text.windows(); ++w)
    sums.observe(exec, dense.rows_of(l, site, w), text.rows_of(l, site, w));
  return sums;
}

reconstruction::reconstruction(sparsellm::cpu::executor& exec, const reconstruction_options& how,
                               gram seen, const sparsellm::channel_order& order,
                               const sparsellm::cross_gram* dense)
    : exec_(exec),
      how_(how),
      target_(dense == nullptr ? std::optional<sparsellm::dense_target>()
                               : std::optional<sparsellm::dense_target>(std::in_place, exec, seen,
                                                                        *dense, order)),
      metric_(how.rounds == 0 ? std::optional<sparsellm::damped_gram>()
                              : std::optional<sparsellm::damped_gram>(std::in_place, exec, seen,
                                                                      how.damping, order)),
      factor_(std::move(seen), how.damping, order) {}

weight_mask reconstruction::update(sparsellm::nm_pattern p, weight_mask mask, matrix& w) const {
  if (target_.has_value()) target_->move(exec_, factor_, w.view());
  matrix wanted;
  if (how_.rounds != 0) {
    wanted = matrix(w.rows, w.cols);
    std::copy(w.data.begin(), w.data.end(), wanted.data.begin());
  }
  if (how_.update == kept_weights::chosen)
    mask = sparsellm::update_kept(exec_, factor_, p, w.view());
  else
    sparsellm::update_kept(exec_, factor_, mask, w.view());
  if (how_.rounds != 0)
    sparsellm::refine_kept(exec_, *metric_, mask, std::as_const(wanted).view(), w.view(),
                           how_.rounds);
  return mask;
}

}  // namespace llama
