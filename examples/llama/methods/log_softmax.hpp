// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "sparsellm/core/views.hpp"

namespace llama {

// Logits become log-probabilities.
inline void log_softmax(sparsellm::vector_view<float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += static_cast<double>(std::exp(l - largest));
  const auto shift = largest + static_cast<float>(std::log(sum));
  for (float& l : logits) l -= shift;
}

}  // namespace llama
