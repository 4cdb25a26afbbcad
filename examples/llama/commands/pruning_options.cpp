// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "commands/pruning_options.hpp"

#include <string>

#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::require;
using sparsellm::value_error;

namespace {

metric parse_metric(const std::string& name) {
  if (name == "magnitude") return metric::magnitude;
  if (name == "wanda") return metric::wanda;
  if (name == "ria") return metric::ria;
  require<value_error>(name == "e-sparse",
                       "--metric: magnitude, wanda, ria or e-sparse expected, got '", name, "'");
  return metric::e_sparse;
}

kept_weights parse_update(const std::string& name) {
  if (name == "none") return kept_weights::as_they_are;
  if (name == "obs") return kept_weights::updated;
  require<value_error>(name == "sparsegpt", "--update: none, obs or sparsegpt expected, got '",
                       name, "'");
  return kept_weights::chosen;
}

update_target parse_target(const std::string& name) {
  if (name == "own") return update_target::own;
  require<value_error>(name == "dense", "--target: own or dense expected, got '", name, "'");
  return update_target::dense;
}

}  // namespace

saliency_options parse_saliency(const options& o) {
  saliency_options how;
  how.score = parse_metric(o.metric);
  how.alpha = o.alpha;
  how.entropy.bins = o.bins;
  for (const std::string& choice : o.entropy) {
    using e = sparsellm::entropy_options;
    if (choice == "bits")
      how.entropy.unit = e::logarithm::base2;
    else if (choice == "tensor")
      how.entropy.span = e::range::tensor;
    else if (choice == "absolute")
      how.entropy.of = e::values::absolute;
    else if (choice == "rms")
      how.root_mean_square = true;
    else
      sparsellm::raise<value_error>(sparsellm::concat(
          "--entropy: bits, tensor, absolute or rms expected, got '", choice, "'"));
  }
  return how;
}

reconstruction_options parse_reconstruction(const options& o) {
  reconstruction_options how;
  how.update = parse_update(o.update);
  require<value_error>(o.damping > 0 && o.damping <= 1,
                       "--damping: a number in (0, 1] expected, got ", o.damping);
  how.damping = o.damping;
  require<value_error>(o.refine <= 1000, "--refine: at most 1000 rounds expected, got ", o.refine);
  how.rounds = o.refine;
  how.target = parse_target(o.target);
  return how;
}

}  // namespace llama
