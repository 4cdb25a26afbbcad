// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A pattern for each weight of a model, so that the linear layers have a wanted size.
#pragma once

#include <string>
#include <vector>

#include "files/pattern_plan.hpp"
#include "methods/calibration.hpp"
#include "methods/observed_text.hpp"
#include "methods/reconstruction_options.hpp"
#include "methods/saliencies.hpp"
#include "model/model.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

struct planning : saliency_options, reconstruction_options {
  std::vector<sparsellm::nm_pattern> patterns{{2, 4}, {4, 8}, {6, 8}, {8, 16}};  // beside dense
  double size = 0.8125;  // of the linear layers, against dense ones of 16 bits
  // Not 0: errors count as what they cost the predictions, by gradients of so many windows.
  std::size_t gradient_windows = 0;
};

// Each weight's error with each pattern is that of its output on the dense model's text, in its
// Gram matrix, after the update when there is one. Their sum over all weights falls as far as it
// goes: of errors relative to the output, or of what they cost the likelihood of the next token, to
// second order by the Fisher information's diagonal, in nats. Throws value_error for options that
// do not fit the model, and with gradients as recorded_pass does.
[[nodiscard]] pattern_plan plan_patterns(sparsellm::cpu::executor& exec, model& m,
                                         const std::vector<window>& windows, const planning& how,
                                         const progress& report,
                                         const text_maker& make_text = make_host_text);

}  // namespace llama
