// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The principal axes of a model's residual stream, as its blocks read it.
#pragma once

#include <vector>

#include "methods/observed_text.hpp"
#include "model/model.hpp"
#include "sparsellm/rotate/axes.hpp"

namespace llama {

// Of x / rms(x), without gains, over all tokens at all blocks' two norms, each counting the same.
// Throws value_error without windows.
[[nodiscard]] sparsellm::axes_of_gram residual_axes(sparsellm::cpu::executor& exec, model& m,
                                                    const std::vector<window>& windows,
                                                    const progress& report,
                                                    const text_maker& make_text = make_host_text);

}  // namespace llama
