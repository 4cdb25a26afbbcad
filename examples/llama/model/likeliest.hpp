// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The token with the largest logit, and by how much it leads: what greedy sampling takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "sparsellm/core/views.hpp"

namespace llama {

struct likeliest {
  std::int32_t id;
  float margin;  // the largest logit less the next
};

// Of equals the first.
[[nodiscard]] inline likeliest likeliest_of(sparsellm::vector_view<const float> logits) {
  float best = -std::numeric_limits<float>::infinity(), next = best;
  std::size_t at = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best) {
      next = best;
      best = logits[i];
      at = i;
    } else if (logits[i] > next) {
      next = logits[i];
    }
  }
  return {static_cast<std::int32_t>(at), best - next};
}

}  // namespace llama
