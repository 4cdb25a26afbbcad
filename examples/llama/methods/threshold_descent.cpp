// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/threshold_descent.hpp"

#include <algorithm>
#include <cmath>

#include "sparsellm/calibrate/one_level.hpp"

namespace llama {

namespace {

constexpr double band = 0.3;

}  // namespace

double threshold_descent::moved_threshold::slope() const noexcept {
  return static_cast<double>(near) / static_cast<double>(values) / (2 * band);
}

double threshold_descent::moved_threshold::cost_of_weight() const noexcept {
  return near == 0 ? 0.0
                   : harm * static_cast<double>(values) / (static_cast<double>(near) * weights);
}

threshold_descent::threshold_descent(sparsellm::cpu::executor& exec, model& m,
                                     const sparsellm::threshold_table& table)
    : exec_(exec), model_(m), layers_(m.shape().layers) {
  for (std::size_t l = 0; l < layers_.size(); ++l)
    for (const projection p : m.shape().projections()) {
      const sparsellm::extents e = m.extents_of(p);
      const sparsellm::site_threshold& s = table.at({l, name(p)}, e);
      const auto weights = static_cast<double>(e.outputs * e.inputs);
      // As one_level has it, unless the table asks for more.
      const double most = std::max(s.sparsity, sparsellm::one_level::most_of_a_site);
      layers_[l][p] = {weights, static_cast<double>(s.threshold), most, s.sparsity};
      held_ += weights * s.sparsity;
    }
}

void threshold_descent::see(std::size_t layer, projection p, const_rows of_input,
                            const_rows input) {
  struct of_row {
    std::size_t skipped = 0, near = 0;
    double harm = 0;
  };
  moved_threshold& site = layers_[layer][p];
  const stack& w = model_.blocks()[layer].reading(site_of(p));
  const auto [linear, place] = w.linear_with(model_.shape().place_of(p));
  const auto keep = linear->sections().sections[place].keep;
  const auto low = static_cast<float>(site.threshold * std::exp(-band));
  const auto high = static_cast<float>(site.threshold * std::exp(band));
  std::vector<of_row> seen(input.rows());
  exec_.parallel_for(input.rows(), [&](std::size_t t) {
    for (std::size_t i = 0; i < input.cols(); ++i) {
      const float x = w.from_centre(input(t, i), i), score = keep.score(x, i);
      seen[t].skipped += keep.keeps(x, i) ? 0 : 1;
      if (!(score > low && score < high)) continue;
      ++seen[t].near;
      seen[t].harm -= static_cast<double>(of_input(t, i)) * static_cast<double>(x);
    }
  });
  for (const of_row& r : seen) {
    site.skipped += r.skipped;
    site.near += r.near;
    site.harm += r.harm;
  }
  site.values += input.rows() * input.cols();
}

void threshold_descent::step(double rate) {
  double cost = 0, weights = 0;  // of all that can move
  each([&](const moved_threshold& s) {
    if (s.near == 0) return;
    cost += s.cost_of_weight() * s.weights;
    weights += s.weights;
  });
  const double mean = cost / weights;
  // By as much as a weight's cost is below the mean; a mean that is not above 0 says nothing.
  const auto move_of = [&](const moved_threshold& s) {
    if (s.near == 0 || !(mean > 0)) return 0.0;
    const double move = rate * std::clamp(1.0 - s.cost_of_weight() / mean, -2.0, 1.0);
    return s.share() < s.most ? move : std::min(move, 0.0);
  };
  double expected = 0, slope = 0;
  each([&](const moved_threshold& s) {
    expected += s.weights * (s.share() + s.slope() * move_of(s));
    slope += s.weights * s.slope();
  });
  // Slopes are of this step's tokens, and hold nearby.
  const double all = slope > 0 ? std::clamp((held_ - expected) / slope, -0.5, 0.5) : 0.0;
  each([&](moved_threshold& s) {
    constexpr double newest = 0.2;
    s.lately = (1 - newest) * s.lately + newest * s.share();
    s.threshold *= std::exp(move_of(s) + all);
    s.values = s.skipped = s.near = 0;
    s.harm = 0;
  });
  put_into_model();
}

void threshold_descent::put_into_model() {
  for (std::size_t l = 0; l < layers_.size(); ++l)
    for (const activation_site site : activation_sites) {
      std::vector<float> thresholds;
      for (const projection p : model_.shape().readers(site))
        thresholds.push_back(static_cast<float>(layers_[l][p].threshold));
      model_.blocks()[l].reading(site).set_thresholds(thresholds);
    }
}

void threshold_descent::put_into(sparsellm::threshold_table& table) const {
  double skipped = 0;
  for (const per_projection<moved_threshold>& of_layer : layers_)
    for (const projection p : model_.shape().projections())
      skipped += of_layer[p].weights * of_layer[p].lately;
  for (sparsellm::site_threshold& s : table.sites)
    for (const projection p : model_.shape().projections()) {
      if (s.where.projection != name(p)) continue;
      const moved_threshold& moved = layers_[s.where.layer][p];
      s.threshold = static_cast<float>(moved.threshold);
      s.sparsity = skipped > 0 ? std::min(moved.lately * held_ / skipped, moved.most) : 0.0;
    }
}

}  // namespace llama
