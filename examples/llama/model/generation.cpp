// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Prefill goes in batches; a decode step is a batch of one.
#include "model/generation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "sparsellm/core/error.hpp"

namespace llama {

namespace {

constexpr std::size_t prefill_batch = 512;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

sampler::sampler(double temperature, std::uint64_t seed)
    : temperature_(temperature), random_(seed) {
  sparsellm::require<sparsellm::value_error>(std::isfinite(temperature) && temperature >= 0.0,
                                             "the temperature must be at least 0, got ",
                                             temperature);
}

std::int32_t sampler::pick(sparsellm::vector_view<const float> logits) {
  const likeliest best = likeliest_of(logits);
  if (greedy()) return best.id;
  const float largest = logits[static_cast<std::size_t>(best.id)];
  std::vector<double> cumulative(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    cumulative[i] = sum += std::exp(static_cast<double>(logits[i] - largest) / temperature_);
  // Not std::uniform_real_distribution: a seed gives the same text with every standard library.
  const double draw = static_cast<double>(random_() >> 11) * 0x1p-53 * sum;
  const auto at = std::upper_bound(cumulative.begin(), cumulative.end(), draw);
  return static_cast<std::int32_t>(std::min<std::ptrdiff_t>(
      at - cumulative.begin(), static_cast<std::ptrdiff_t>(logits.size()) - 1));
}

generation generate(decoder& s, const std::vector<std::int32_t>& prompt, std::size_t count,
                    std::size_t dense_prefix, const std::vector<std::int32_t>& stops, sampler& pick,
                    sparsity_meter* meter, const progress& read,
                    const std::function<void(std::int32_t)>& wrote) {
  const activation_observer observe = [&](std::size_t layer, activation_site site, const_rows x) {
    const std::size_t dense = dense_prefix > s.position() ? dense_prefix - s.position() : 0;
    meter->count(layer, site, x, std::min(dense, x.rows()));
  };
  const activation_observer* const observer = meter != nullptr ? &observe : nullptr;
  generation result;
  auto start = std::chrono::steady_clock::now();
  for (std::size_t at = 0; at < prompt.size(); at += prefill_batch) {
    const std::size_t n = std::min(prefill_batch, prompt.size() - at);
    const auto first = prompt.begin() + static_cast<std::ptrdiff_t>(at);
    s.append({first, first + static_cast<std::ptrdiff_t>(n)}, dense_prefix, observer);
    read(static_cast<double>(at + n) / static_cast<double>(prompt.size()));
  }
  const std::size_t last_row = (prompt.size() - 1) % prefill_batch;
  if (count == 0) s.finish();
  result.prefill_seconds = seconds_since(start);

  // The first token is prefill's. Whether to go on.
  const auto take = [&](likeliest next) {
    if (result.ids.empty()) {
      result.prefill_seconds = seconds_since(start);
      start = std::chrono::steady_clock::now();
    }
    result.ids.push_back(next.id);
    result.margins.push_back(next.margin);
    wrote(next.id);
    result.decoded = result.ids.size() - 1;
    result.decode_seconds = seconds_since(start);
    return std::find(stops.begin(), stops.end(), next.id) == stops.end();
  };
  if (pick.greedy()) {
    s.decode_greedily(last_row, count, dense_prefix, observer, take);
    return result;
  }
  sparsellm::buffer<float> logits(s.vocabulary());
  const rows out(logits.data(), 1, logits.size());
  for (std::size_t row = last_row; result.ids.size() < count; row = 0) {
    s.logits(row, out);
    const std::int32_t id = pick.pick(out.row(0));
    if (!take({id, likeliest_of(out.row(0)).margin}) || result.ids.size() == count) break;
    s.append({id}, dense_prefix, observer);
  }
  return result;
}

}  // namespace llama
