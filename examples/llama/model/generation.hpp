// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Writing text: prefill the prompt, then one token at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "model/decoder.hpp"
#include "model/sparsity_meter.hpp"

namespace llama {

// The likeliest token at temperature 0, else one drawn from softmax(logits / temperature).
class sampler {
 public:
  // Throws value_error for a negative or non-finite temperature.
  sampler(double temperature, std::uint64_t seed);
  [[nodiscard]] bool greedy() const noexcept { return temperature_ == 0.0; }
  [[nodiscard]] std::int32_t pick(sparsellm::vector_view<const float> logits);

 private:
  double temperature_;
  std::mt19937_64 random_;
};

struct generation {
  std::vector<std::int32_t> ids;  // the new tokens
  std::vector<float> margins;     // by how much the likeliest logit of each step led the next
  double prefill_seconds = 0, decode_seconds = 0;
  std::size_t decoded = 0;  // tokens that went through a decode step
};

// Writes up to `count` tokens after the prompt, stopping after any of `stops`. Positions below
// dense_prefix use every channel. `meter` may be null; `read` hears how much of the prompt is done,
// `wrote` sees each token.
[[nodiscard]] generation generate(decoder& s, const std::vector<std::int32_t>& prompt,
                                  std::size_t count, std::size_t dense_prefix,
                                  const std::vector<std::int32_t>& stops, sampler& pick,
                                  sparsity_meter* meter, const progress& read,
                                  const std::function<void(std::int32_t)>& wrote);

}  // namespace llama
