// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Prefill goes in batches; a decode step is a batch of one.
#include "generation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "sparsellm/core/error.hpp"

namespace llama {

namespace {

constexpr std::size_t prefill_batch = 512;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

float margin_of(sparsellm::vector_view<const float> logits) {
  float best = -std::numeric_limits<float>::infinity(), next = best;
  for (const float l : logits) {
    if (l > best) {
      next = best;
      best = l;
    } else if (l > next) {
      next = l;
    }
  }
  return best - next;
}

}  // namespace

sampler::sampler(double temperature, std::uint64_t seed)
    : temperature_(temperature), random_(seed) {
  sparsellm::require<sparsellm::value_error>(std::isfinite(temperature) && temperature >= 0.0,
                                             "the temperature must be at least 0, got ",
                                             temperature);
}

std::int32_t sampler::pick(sparsellm::vector_view<const float> logits) {
  const float* const best = std::max_element(logits.begin(), logits.end());
  if (temperature_ == 0.0) return static_cast<std::int32_t>(best - logits.begin());
  std::vector<double> cumulative(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    cumulative[i] = sum += std::exp(static_cast<double>(logits[i] - *best) / temperature_);
  // Not std::uniform_real_distribution: a seed gives the same text with every standard library.
  const double draw = static_cast<double>(random_() >> 11) * 0x1p-53 * sum;
  const auto at = std::upper_bound(cumulative.begin(), cumulative.end(), draw);
  return static_cast<std::int32_t>(std::min<std::ptrdiff_t>(
      at - cumulative.begin(), static_cast<std::ptrdiff_t>(logits.size()) - 1));
}

generation generate(decoder& s, const std::vector<std::int32_t>& prompt, std::size_t count,
                    std::size_t dense_prefix, std::int32_t stop, sampler& pick,
                    sparsity_meter* meter, const progress& read,
                    const std::function<void(std::int32_t)>& wrote) {
  const input_observer observe = [&](std::size_t layer, input where, const_rows x) {
    const std::size_t dense = dense_prefix > s.position() ? dense_prefix - s.position() : 0;
    meter->count(layer, where, x, std::min(dense, x.rows()));
  };
  const input_observer* const observer = meter != nullptr ? &observe : nullptr;
  sparsellm::buffer<float> logits(s.vocabulary());
  const rows out(logits.data(), 1, s.vocabulary());
  generation result;

  auto start = std::chrono::steady_clock::now();
  for (std::size_t at = 0; at < prompt.size(); at += prefill_batch) {
    const std::size_t n = std::min(prefill_batch, prompt.size() - at);
    const auto first = prompt.begin() + static_cast<std::ptrdiff_t>(at);
    s.append({first, first + static_cast<std::ptrdiff_t>(n)}, dense_prefix, observer);
    read(static_cast<double>(at + n) / static_cast<double>(prompt.size()));
    if (at + n == prompt.size()) s.logits(n - 1, out);
  }
  result.prefill_seconds = seconds_since(start);

  start = std::chrono::steady_clock::now();
  while (result.ids.size() < count) {
    const std::int32_t next = pick.pick(out.row(0));
    result.ids.push_back(next);
    result.margins.push_back(margin_of(out.row(0)));
    wrote(next);
    if (next == stop || result.ids.size() == count) break;
    s.append({next}, dense_prefix, observer);
    s.logits(0, out);
    ++result.decoded;
  }
  result.decode_seconds = seconds_since(start);
  return result;
}

}  // namespace llama
