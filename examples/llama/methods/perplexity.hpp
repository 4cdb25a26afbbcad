// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Perplexity of a text, window by window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "methods/calibration.hpp"
#include "model/decoder.hpp"

namespace llama {

struct perplexity_result {
  double nll = 0, nll_half2 = 0;  // nats per token
  std::size_t tokens_scored = 0;
};

// Scores tokens 1… of each window, all windows of one length; half2 is the tokens from the middle
// on. Positions below dense_prefix use every channel. observe may be null; exec adds up.
[[nodiscard]] perplexity_result measure_perplexity(sparsellm::cpu::executor& exec, decoder& s,
                                                   const std::vector<window>& windows,
                                                   std::size_t dense_prefix,
                                                   const activation_observer* observe,
                                                   const progress& report);

}  // namespace llama
