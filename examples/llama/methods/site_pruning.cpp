// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/site_pruning.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "methods/reconstruction.hpp"
#include "methods/saliencies.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/prune/retained.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::channel_order;
using sparsellm::nm_pattern;
using sparsellm::weight_mask;

namespace {

// Outputs are compared on every so many windows; the statistics take all.
constexpr std::size_t error_stride = 8;

}  // namespace

std::optional<nm_pattern> site_pruner::pattern_of(std::size_t l, projection p) const {
  const auto& names = how_.dense_projections;
  if (std::find(names.begin(), names.end(), name(p)) != names.end() ||
      std::find(how_.dense_layers.begin(), how_.dense_layers.end(), l) != how_.dense_layers.end())
    return std::nullopt;
  return how_.plan.has_value() ? how_.plan->at(l, p).pattern : how_.pattern;
}

void site_pruner::prune(std::size_t l, activation_site site, pruned_block& into) {
  const std::span<const projection> reading = model_.shape().readers(site);
  if (std::none_of(reading.begin(), reading.end(),
                   [&](projection p) { return pattern_of(l, p).has_value(); }))
    return;
  std::vector<matrix> weights;
  for (const projection p : reading) weights.push_back(read_weight(exec_, model_, l, p));
  const std::vector<matrix> scores = saliencies(exec_, how_, text_, l, site, weights);
  const channel_order order = find_order(l, site, scores);
  if (!order.is_identity()) into.orders[site] = order;
  std::optional<reconstruction> updating;
  if (how_.update != kept_weights::as_they_are) {
    std::optional<sparsellm::cross_gram> dense;
    if (dense_ != nullptr) dense = cross_gram_of(exec_, *dense_, text_, l, site);
    updating.emplace(exec_, how_, gram_of(exec_, text_, l, site), order,
                     dense.has_value() ? &*dense : nullptr);
  }
  for (std::size_t i = 0; i < reading.size(); ++i)
    if (const auto p = pattern_of(l, reading[i]))
      into.weights[reading[i]] = pruned(*p, scores[i], weights[i], order,
                                        updating.has_value() ? &*updating : nullptr, l, site);
}

// Searched on the weights that are pruned; of several patterns, for the one with most of them.
channel_order site_pruner::find_order(std::size_t l, activation_site site,
                                      const std::vector<matrix>& scores) const {
  const std::span<const projection> reading = model_.shape().readers(site);
  shuffling how = how_;
  std::size_t most = 0;
  for (const projection p : reading) {
    const auto candidate = pattern_of(l, p);
    if (!candidate.has_value()) continue;
    std::size_t outputs = 0;
    for (std::size_t i = 0; i < reading.size(); ++i)
      if (pattern_of(l, reading[i]) == candidate) outputs += scores[i].rows;
    if (outputs > most) how.pattern = *candidate;
    most = std::max(most, outputs);
  }
  return site == activation_site::attention_output ? order_in_heads(scores.front(), how)
                                                   : search_(stacked(scores).view(), how);
}

// o's inputs move within heads, alike in the heads that share keys and values: those heads' columns
// are searched as rows of one matrix.
channel_order site_pruner::order_in_heads(const matrix& scores, const shuffling& how) const {
  const config& c = model_.shape();
  const std::size_t size = c.head_size, shared = c.heads / c.kv_heads;
  std::vector<std::uint32_t> at(scores.cols);
  for (std::size_t kv = 0; kv < c.kv_heads; ++kv) {
    matrix one(shared * scores.rows, size);
    for (std::size_t h = 0; h < shared; ++h)
      for (std::size_t r = 0; r < scores.rows; ++r)
        std::copy_n(&scores.view()(r, (kv * shared + h) * size), size,
                    &one.view()(h * scores.rows + r, 0));
    const channel_order inside = search_(const_rows(one.view()), how);
    for (std::size_t h = kv * shared; h < (kv + 1) * shared; ++h)
      for (std::size_t i = 0; i < size; ++i)
        at[h * size + i] = static_cast<std::uint32_t>(h * size + inside[i]);
  }
  return channel_order(std::move(at));
}

// updating: nullptr: weights stay as they are.
pruned_weight site_pruner::pruned(nm_pattern p, const matrix& scores, matrix& weight,
                                  const channel_order& order, const reconstruction* updating,
                                  std::size_t l, activation_site site) {
  pruned_weight result;
  result.pattern = p;
  sparsellm::retention& kept = result.retained;
  kept.total = sparsellm::total_score(exec_, scores.view());
  kept.without_groups = sparsellm::retained_without_groups(exec_, p, scores.view());
  const matrix ordered = in_order(exec_, scores, order);
  weight_mask mask = sparsellm::best_of_groups(exec_, p, ordered.view());
  if (updating != nullptr) {
    matrix left = in_order(exec_, weight, order);
    mask = updating->update(p, std::move(mask), left);
    result.values = buffer<float>(weight.rows * weight.cols);
    exec_.parallel_for(weight.rows, [&](std::size_t r) {
      for (std::size_t i = 0; i < weight.cols; ++i)
        result.values[r * weight.cols + order[i]] = left.view()(r, i);
    });
  }
  kept.shuffled = sparsellm::retained_score(exec_, ordered.view(), mask);
  kept.plain = order.is_identity()
                   ? kept.shuffled
                   : sparsellm::retained_score(exec_, scores.view(),
                                               sparsellm::best_of_groups(exec_, p, scores.view()));
  result.mask = weight_mask(mask.shape());
  exec_.parallel_for(scores.rows, [&](std::size_t r) {
    for (std::size_t i = 0; i < scores.cols; ++i)
      if (mask.keeps(r, i)) result.mask.keep(r, order[i]);
  });
  measure_error(weight, l, site, result);
  return result;
}

// ‖(W − Ŵ) x‖² and ‖W x‖² over some of the calibration windows.
void site_pruner::measure_error(matrix& weight, std::size_t l, activation_site site,
                                pruned_weight& result) {
  const auto squares = [&] {
    const auto packed = sparsellm::pack<sparsellm::panel<float>>(exec_, const_rows(weight.view()));
    double sum = 0;
    for (std::size_t w = 0; w < text_.windows(); w += error_stride) {
      const const_rows x = text_.rows_of(l, site, w);
      matrix y(x.rows(), weight.rows);
      sparsellm::multiply(exec_, packed, x, y.view());
      for (const float v : y.data) sum += static_cast<double>(v) * static_cast<double>(v);
    }
    return sum;
  };
  result.energy = squares();
  // What is left of the dense weight without the pruned one.
  for (std::size_t r = 0; r < weight.rows; ++r)
    for (std::size_t c = 0; c < weight.cols; ++c) {
      float& w = weight.view()(r, c);
      if (result.values.size() != 0)
        w -= result.values[r * weight.cols + c];
      else if (result.mask.keeps(r, c))
        w = 0.0f;
    }
  result.error = squares();
}

}  // namespace llama
