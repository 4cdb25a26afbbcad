// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

// What was observed of an activation site, against an independent implementation's results.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

#include "catch2_any.hpp"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/observe/entropy.hpp"

// norm, entropy: mean over the channels, those of the first 4; of the norms also the largest.
inline void check_statistics(const sparsellm::channel_stats& stats,
                             const sparsellm::entropy& entropies, const nlohmann::json& norm,
                             const nlohmann::json& entropy) {
  double mean_norm = 0, mean_entropy = 0;
  const auto channels = static_cast<double>(stats.channels());
  for (std::size_t c = 0; c < stats.channels(); ++c) {
    mean_norm += stats.l2_norm(c) / channels;
    mean_entropy += entropies.value(c) / channels;
  }
  CHECK_THAT(mean_norm, WithinRel(norm["mean"].get<double>(), 1e-3));
  CHECK_THAT(mean_entropy, WithinRel(entropy["mean"].get<double>(), 1e-3));
  CHECK_THAT(stats.l2_norm(norm["argmax"].get<std::size_t>()),
             WithinRel(norm["max"].get<double>(), 1e-3));
  for (std::size_t c = 0; c < 4; ++c) {
    CHECK_THAT(stats.l2_norm(c), WithinRel(norm["first4"][c].get<double>(), 1e-3));
    CHECK_THAT(entropies.value(c), WithinRel(entropy["first4"][c].get<double>(), 2e-3));
  }
}
