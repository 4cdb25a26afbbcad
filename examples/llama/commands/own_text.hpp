// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Calibration text that the model writes itself: "--text self".
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "commands/setup.hpp"

namespace llama {

// In place of a text's file. A file of that name is "./self".
inline constexpr std::string_view own_text = "self";

// At least `tokens` tokens in windows of o.window (at most the model's context), each a sequence
// that the dense model writes from its beginning of a text: two side by side, number i with seed
// o.seed + i, at the temperatures 0.7 and 1.0 in turn. What was written is kept in
// own-text-HASH-WEIGHTS-WINDOW-SEED.json, HASH that of the weights, in the directory
// $SPARSELLM_CACHE, $XDG_CACHE_HOME/sparsellm or ~/.cache/sparsellm, and read from there.
[[nodiscard]] std::vector<window> own_windows(setup& s, const options& o, std::size_t tokens);

}  // namespace llama
