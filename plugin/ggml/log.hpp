// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What was taken, as what, and what was left to ggml and why. On stderr, because most of
// llama.cpp's programs drop what ggml logs, and because nothing of this may be silent.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sparsellm/model/weight_format.hpp"

namespace sparsellm_ggml {

// One line, "sparsellm: …", unless the level is quiet.
void say(std::string_view line);

// A weight was packed. Kept for the summary; a line of its own at the level `tensors`.
void packed(std::string_view tensor, sparsellm::weight_format format, std::size_t bytes_before,
            std::size_t bytes, double seconds);

// A weight was left to ggml. As `packed`, once for each tensor.
void left(std::string_view tensor, std::string_view why);

// Says the summary of what came since the last one. Called with the first product; cheap when
// there is nothing new.
void summarise();

}  // namespace sparsellm_ggml
