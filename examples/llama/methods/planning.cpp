// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/planning.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "methods/matrix.hpp"
#include "methods/reconstruction.hpp"
#include "methods/squared_gradients.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/permute/channel_order.hpp"
#include "sparsellm/prune/choose_patterns.hpp"
#include "sparsellm/prune/mask.hpp"
#include "sparsellm/reconstruct/damped_gram.hpp"

namespace llama {

using sparsellm::nm_pattern;
using sparsellm::require;
using sparsellm::value_error;
using sparsellm::weight_mask;

namespace {

class planner {
 public:
  // gradients: of no layers unless errors count as what they cost.
  planner(sparsellm::cpu::executor& exec, const model& m, const planning& how, observed_text& text,
          squared_gradients gradients)
      : exec_(exec), model_(m), how_(how), text_(text), gradients_(std::move(gradients)) {}

  // The errors of everything that reads `site` of block l with each pattern.
  void measure(std::size_t l, activation_site site) {
    const std::span<const projection> reading = model_.shape().readers(site);
    std::vector<matrix> weights;
    for (const projection p : reading) weights.push_back(read_weight(exec_, model_, l, p));
    const std::vector<matrix> scores = saliencies(exec_, how_, text_, l, site, weights);
    sparsellm::gram seen = gram_of(exec_, text_, l, site);
    const sparsellm::damped_gram metric(exec_, seen, 0.0);
    const auto tokens = static_cast<double>(seen.rows());
    std::optional<reconstruction> updating;
    if (how_.update != kept_weights::as_they_are)
      updating.emplace(exec_, how_, std::move(seen), sparsellm::channel_order());
    for (std::size_t i = 0; i < reading.size(); ++i) {
      matrix none(weights[i].rows, weights[i].cols);
      std::fill(none.data.begin(), none.data.end(), 0.0f);
      const double energy = metric.squared_difference(exec_, std::as_const(weights[i]).view(),
                                                      std::as_const(none).view());
      std::vector<double> errors;
      for (const nm_pattern p : how_.patterns)
        errors.push_back(energy > 0 ? error(p, scores[i], weights[i], metric, updating) / energy
                                    : 0.0);
      add(l, reading[i], errors,
          gradients_.layers.empty() ? 1.0 : harm(l, reading[i], energy / tokens));
    }
  }

  [[nodiscard]] std::vector<planned_weight> choose() const {
    double dense = 0;
    for (const planned_weight& w : weights_) dense += parameters(w);
    const std::vector<std::size_t> chosen = sparsellm::choose_patterns(choices_, how_.size * dense);
    std::vector<planned_weight> planned = weights_;
    for (std::size_t w = 0; w < planned.size(); ++w) {
      if (chosen[w] < how_.patterns.size()) planned[w].pattern = how_.patterns[chosen[w]];
      planned[w].error = costs_[w] > 0 ? choices_[w][chosen[w]].error / costs_[w] : 0.0;
    }
    return planned;
  }

 private:
  [[nodiscard]] static double parameters(const planned_weight& w) {
    return static_cast<double>(w.shape.outputs) * static_cast<double>(w.shape.inputs);
  }

  // What an error as large as the output costs, in nats a token. energy: of the output, a token.
  [[nodiscard]] double harm(std::size_t l, projection p, double energy) const {
    const auto outputs = static_cast<double>(model_.extents_of(p).outputs);
    return 0.5 * energy / outputs * gradients_.layers[l][p].of_output / gradients_.tokens;
  }

  [[nodiscard]] double error(nm_pattern p, const matrix& scores, const matrix& weight,
                             const sparsellm::damped_gram& metric,
                             const std::optional<reconstruction>& updating) {
    weight_mask mask = sparsellm::best_of_groups(exec_, p, scores.view());
    matrix left(weight.rows, weight.cols);
    std::copy(weight.data.begin(), weight.data.end(), left.data.begin());
    if (updating.has_value())
      (void)updating->update(p, std::move(mask), left);
    else
      exec_.parallel_for(left.rows, [&](std::size_t r) {
        for (std::size_t c = 0; c < left.cols; ++c)
          if (!mask.keeps(r, c)) left.view()(r, c) = 0.0f;
      });
    return std::max(0.0,
                    metric.squared_difference(exec_, weight.view(), std::as_const(left).view()));
  }

  // cost: of an error of 1.
  void add(std::size_t l, projection p, const std::vector<double>& errors, double cost) {
    planned_weight w;
    w.layer = l;
    w.which = p;
    w.shape = model_.extents_of(p);
    std::vector<sparsellm::pattern_cost> of_weight;
    for (std::size_t i = 0; i < errors.size(); ++i)
      of_weight.push_back({size_of(how_.patterns[i], w.shape) * parameters(w), cost * errors[i]});
    of_weight.push_back({parameters(w), 0.0});  // dense
    choices_.push_back(std::move(of_weight));
    costs_.push_back(cost);
    weights_.push_back(std::move(w));
  }

  sparsellm::cpu::executor& exec_;
  const model& model_;
  const planning& how_;
  observed_text& text_;
  std::vector<planned_weight> weights_;
  std::vector<std::vector<sparsellm::pattern_cost>> choices_;
  std::vector<double> costs_;  // of an error of 1, by weight
  squared_gradients gradients_;
};

}  // namespace

pattern_plan plan_patterns(sparsellm::cpu::executor& exec, model& m,
                           const std::vector<window>& windows, const planning& how,
                           const progress& report, const text_maker& make_text) {
  require<value_error>(!how.patterns.empty(), "plan: at least one pattern expected, got none");
  for (const nm_pattern p : how.patterns) check(p);
  require<value_error>(how.size > 0 && how.size <= 1, "plan: a size in (0, 1] expected, got ",
                       how.size);
  require<value_error>(m.file().orders().empty(),
                       "plan: the model is pruned already, a dense one expected");
  const std::unique_ptr<observed_text> text = make_text(exec, m, windows, windows.front().size());
  const double first = how.gradient_windows == 0 ? 0.0 : 0.2;  // the gradients' share of the work
  planner work(exec, m, how, *text,
               how.gradient_windows == 0
                   ? squared_gradients()
                   : sum_squared_gradients(exec, m, windows, how.gradient_windows,
                                           [&](double share) { report(first * share); }));
  double step = 0;
  for (std::size_t l = 0; l < m.shape().layers; ++l) {
    for (const activation_site site : activation_sites) {
      text->go_to(l, site);
      work.measure(l, site);
      report(first + (1.0 - first) * ++step / (4.0 * static_cast<double>(m.shape().layers)));
    }
    text->leave(l);
  }
  pattern_plan plan;
  plan.model = m.identity();
  plan.tokens = windows.size() * windows.front().size();
  plan.target_size = how.size;
  plan.weights = work.choose();
  return plan;
}

}  // namespace llama
