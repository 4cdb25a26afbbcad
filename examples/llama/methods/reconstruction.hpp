// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The kept weights of the projections that read one activation, changed to make up for the pruned
// ones.
#pragma once

#include <cstddef>
#include <optional>

#include "methods/matrix.hpp"
#include "methods/observed_text.hpp"
#include "methods/reconstruction_options.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/prune/pattern.hpp"
#include "sparsellm/reconstruct/cross_gram.hpp"
#include "sparsellm/reconstruct/damped_gram.hpp"
#include "sparsellm/reconstruct/gram.hpp"
#include "sparsellm/reconstruct/gram_factor.hpp"
#include "sparsellm/reconstruct/target.hpp"

namespace llama {

// Of all windows; text: at this activation.
[[nodiscard]] sparsellm::gram gram_of(sparsellm::cpu::executor& exec, observed_text& text,
                                      std::size_t layer, activation_site site);

// Of what the dense model has at this activation, with what the pruned one has. dense: the text in
// the dense model, at this activation too.
[[nodiscard]] sparsellm::cross_gram cross_gram_of(sparsellm::cpu::executor& exec,
                                                  observed_text& dense, observed_text& text,
                                                  std::size_t layer, activation_site site);

class reconstruction {
 public:
  // order: of the activation's channels; of size 0 as in the file. dense: nullptr with
  // update_target::own.
  reconstruction(sparsellm::cpu::executor& exec, const reconstruction_options& how,
                 sparsellm::gram seen, const sparsellm::channel_order& order,
                 const sparsellm::cross_gram* dense = nullptr);

  // w [rows, channels], dense, in the order: becomes what is left of it. Returns the mask, which is
  // the given one unless the options have it chosen.
  [[nodiscard]] sparsellm::weight_mask update(sparsellm::nm_pattern p, sparsellm::weight_mask mask,
                                              matrix& w) const;

 private:
  sparsellm::cpu::executor& exec_;
  reconstruction_options how_;
  std::optional<sparsellm::dense_target> target_;
  std::optional<sparsellm::damped_gram> metric_;
  sparsellm::gram_factor factor_;
};

}  // namespace llama
