// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// How rotary positions are scaled for contexts longer than a model was first trained on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "files/model_file.hpp"

namespace llama {

// Llama 3.1's scaling: what each of head_size / 2 rotary frequencies is divided by. Low frequencies
// by the factor, high ones by 1, between them it is smooth.
struct llama3_scaling {
  double factor = 8, low_frequency = 1, high_frequency = 4, context = 8192;
};
[[nodiscard]] std::vector<float> llama3_divisors(const llama3_scaling& s, double base,
                                                 std::size_t head_size);

// YaRN (arXiv 2309.00071, section 3.2): pairs that turn fewer than beta_slow times in the original
// context are divided by the factor, those that turn more than beta_fast times are not, and between
// them it is linear.
struct yarn_scaling {
  double factor, context, beta_fast = 32, beta_slow = 1;
};
[[nodiscard]] std::vector<float> yarn_divisors(const yarn_scaling& s, double base,
                                               std::size_t head_size);
// What YaRN multiplies cosines and sines by where a file does not say it (section 3.4).
[[nodiscard]] double yarn_magnitude(double factor) noexcept;

struct rotary {
  std::size_t size = 0;                           // of each head, even
  double base = 10000, scale = 1, magnitude = 1;  // positions / scale; cosines, sines · magnitude
  std::optional<yarn_scaling> yarn;
};

// From the keys that begin with `architecture`, for heads of this size and a model of this context.
// Throws format_error for what is not supported.
[[nodiscard]] rotary read_rotary(const model_file& file, const std::string& architecture,
                                 std::size_t head_size, std::size_t context);

// [size / 2], radians per position; divided by the tensor rope_freqs where the file has it.
[[nodiscard]] std::vector<double> rotary_frequencies(const model_file& file, const rotary& r);

}  // namespace llama
