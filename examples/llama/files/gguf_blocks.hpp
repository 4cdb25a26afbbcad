// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What the readers of quantised blocks share.
#pragma once

#include <cstdint>

namespace llama {

struct scale_and_minimum {
  int scale, minimum;
};

// The 6-bit scale and minimum of sub-block j (of 8) from the 12 packed bytes of Q4_K and Q5_K.
[[nodiscard]] inline scale_and_minimum k_scale_min(const std::uint8_t* s, int j) noexcept {
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 15) | ((s[j - 4] >> 6) << 4), (s[j + 4] >> 4) | ((s[j] >> 6) << 4)};
}

}  // namespace llama
