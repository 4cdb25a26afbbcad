// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/search.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "methods/divergence.hpp"
#include "methods/search_state.hpp"
#include "sparsellm/calibrate/greedy.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::allocated;
using sparsellm::greedy_search;
using sparsellm::require;
using sparsellm::value_error;

namespace {

// What a search's states are compared at with uniform sparsity.
constexpr double reference_sparsity = 0.5;
// When sparsity is divided between blocks, the limits of a block and of a projection.
constexpr double most_of_a_block = 0.85, least_of_a_block = 0.05, most_of_a_projection = 0.95;
// Groups of neighbouring blocks are moved together, for what one block alone changes is less than
// the noise of measuring it. How far a group and a projection are lowered to see what that gains;
// how often, and how far the division then moves at first.
constexpr double group_probe = 0.1, projection_probe = 0.15, first_stride = 0.06;
constexpr std::size_t division_rounds = 6;

// [layers][projections]
using model_sparsity = std::vector<std::vector<double>>;

class allocation_search {
 public:
  allocation_search(sparsellm::cpu::executor& exec, model& m, const search_options& how,
                    const std::vector<window>& windows, const reporter& report)
      : exec_(exec), model_(m), how_(how), windows_(windows), report_(report) {
    for (const projection p : m.shape().projections()) {
      const sparsellm::extents e = m.extents_of(p);
      weights_.push_back(static_cast<double>(e.outputs * e.inputs));
    }
    state_ = load_search(how.state, identity(), weights_);
  }

  // Every block's path up to `target`.
  void search_blocks(double target);
  // The blocks' points nearest to `sparsity`.
  [[nodiscard]] model_sparsity same_for_all_blocks(double sparsity) const;
  // The sparsity `target`, divided between blocks and projections so that the model's predictions
  // stay nearer to the dense ones than with the same for all blocks.
  [[nodiscard]] model_sparsity divide(double target);

 private:
  [[nodiscard]] std::string identity() const;
  [[nodiscard]] greedy_search& begin_block(block_trial& trial, std::size_t layer);
  [[nodiscard]] model_sparsity divided(const division_parameters& d, double target) const;
  [[nodiscard]] division& division_of(double target);
  void step(division& d, double target, divergence_meter& meter, const progress& report);

  sparsellm::cpu::executor& exec_;
  model& model_;
  const search_options& how_;
  const std::vector<window>& windows_;
  const reporter& report_;
  std::vector<double> weights_;  // the projections' sizes
  search_state state_;
};

std::string allocation_search::identity() const {
  sparsellm::weight_hash text;
  for (const window& w : windows_)
    text.add(reinterpret_cast<const std::byte*>(w.data()), w.size() * sizeof(w[0]));
  return sparsellm::concat(model_.identity().weight_hash, " text ", text.value(), " norm ",
                           how_.norm == error_norm::channel ? "channel" : "token");
}

// A block's search as the state has it, or its beginning; `trial` is where its path ends.
greedy_search& allocation_search::begin_block(block_trial& trial, std::size_t layer) {
  if (state_.blocks.size() <= layer) {
    state_.blocks.emplace_back();
    state_.blocks[layer].greedy.weights = weights_;
    state_.blocks[layer].uniform_error = trial.uniform_error(reference_sparsity);
  }
  greedy_search& greedy = state_.blocks[layer].greedy;
  if (greedy.path.size() > 1)
    for (const projection p : model_.shape().projections())
      trial.keep(greedy.path.back().sparsity, p);
  return greedy;
}

void allocation_search::search_blocks(double target) {
  const config& c = model_.shape();
  const std::size_t length = windows_.front().size();
  const bool found = state_.blocks.size() == c.layers &&
                     std::all_of(state_.blocks.begin(), state_.blocks.end(), [&](const auto& b) {
                       return b.greedy.reached() >= target - b.greedy.step;
                     });
  if (found) return;
  forward steps(exec_, model_, length, length);
  sparsellm::buffer<float> stream(windows_.size() * length * c.width);
  const rows x(stream.data(), windows_.size() * length, c.width);
  for (std::size_t w = 0; w < windows_.size(); ++w)
    for (std::size_t t = 0; t < length; ++t) model_.embed(windows_[w][t], t, x.row(w * length + t));
  const progress report = report_("searching an allocation on the CPU");
  for (std::size_t l = 0; l < c.layers; ++l) {
    block_trial trial(exec_, model_, steps, l, length, x, how_.norm);
    greedy_search& greedy = begin_block(trial, l);
    greedy.run(
        target,
        [&](const std::vector<double>& at, std::size_t p) {
          return trial.error(at, c.projections()[p]);
        },
        [&](std::size_t p) {
          trial.keep(greedy.path.back().sparsity, c.projections()[p]);
          report((static_cast<double>(l) + greedy.reached() / target) /
                 static_cast<double>(c.layers));
        });
    save(state_, how_.state);
  }
  report(1.0);
}

model_sparsity allocation_search::same_for_all_blocks(double sparsity) const {
  model_sparsity shares;
  for (const block_found& b : state_.blocks) shares.push_back(b.greedy.nearest(sparsity).sparsity);
  return shares;
}

// The blocks' paths at their groups' sparsities, the projections moved, and all groups shifted
// alike until the model's sparsity is `target`.
model_sparsity allocation_search::divided(const division_parameters& d, double target) const {
  const std::size_t layers = state_.blocks.size();
  model_sparsity sparsity(layers);
  double shift = 0;
  for (int pass = 0; pass < 20; ++pass) {
    double sum = 0;
    for (std::size_t l = 0; l < layers; ++l) {
      const double of_block =
          std::clamp(d[l * division_groups / layers] + shift, least_of_a_block, most_of_a_block);
      sparsity[l] = state_.blocks[l].greedy.nearest(of_block).sparsity;
      for (std::size_t p = 0; p < weights_.size(); ++p)
        sparsity[l][p] =
            std::clamp(sparsity[l][p] + d[division_groups + p], 0.0, most_of_a_projection);
      sum += sparsellm::block_sparsity(sparsity[l], weights_);
    }
    shift += target - sum / static_cast<double>(layers);
  }
  return sparsity;
}

// What the state has of it, or the same for all.
division& allocation_search::division_of(double target) {
  for (division& d : state_.divisions)
    if (d.target == target) return d;
  division_parameters start(division_groups, target);
  start.resize(division_groups + weights_.size(), 0.0);
  state_.divisions.push_back({target, 0, start, start, -1});
  return state_.divisions.back();
}

// Lowers what parameter i moves, a group or one projection in all blocks. Returns the share of the
// model's weights that is no longer skipped.
double lower(model_sparsity& sparsity, std::size_t i, const std::vector<double>& weights) {
  const bool group = i < division_groups;
  double all = 0, share = 0;
  for (const double w : weights) all += w;
  for (std::size_t l = 0; l < sparsity.size(); ++l)
    for (std::size_t p = 0; p < weights.size(); ++p) {
      if (group ? l * division_groups / sparsity.size() != i : p != i - division_groups) continue;
      double& was = sparsity[l][p];
      const double is = std::max(was - (group ? group_probe : projection_probe), 0.0);
      share += (was - is) * weights[p] / all / static_cast<double>(sparsity.size());
      was = is;
    }
  return share;
}

// Lowers one group, or one projection in all blocks, after the other, and measures what that gains
// in proportion to the model's sparsity. Where that is more than the mean, the sparsity is lowered
// for good; where it is less, it is raised.
void allocation_search::step(division& d, double target, divergence_meter& meter,
                             const progress& report) {
  const model_sparsity now = divided(d.now, target);
  const double here = meter.measure(now);
  if (d.divergence < 0 || here < d.divergence) {
    d.divergence = here;
    d.best = d.now;
  }
  save(state_, how_.state);
  if (d.rounds == division_rounds) return;
  std::vector<double> gain(d.now.size());
  double mean = 0;
  for (std::size_t i = 0; i < gain.size(); ++i) {
    model_sparsity lowered = now;
    const double share = lower(lowered, i, weights_);
    gain[i] = share > 0 ? std::max(here - meter.measure(lowered), 0.0) / share : 0.0;
    mean += gain[i] / static_cast<double>(gain.size());
    report((static_cast<double>(d.rounds) +
            static_cast<double>(i + 1) / static_cast<double>(gain.size())) /
           static_cast<double>(division_rounds));
  }
  const double stride = first_stride / std::sqrt(static_cast<double>(1 + d.rounds));
  for (std::size_t i = 0; i < gain.size(); ++i)
    d.now[i] -= stride * std::clamp(gain[i] / std::max(mean, 1e-12) - 1.0, -1.0, 1.0);
}

model_sparsity allocation_search::divide(double target) {
  division& d = division_of(target);
  if (d.rounds < division_rounds) {
    divergence_meter meter(exec_, model_, windows_);
    const progress report = report_("dividing sparsity between blocks on the CPU");
    // The last step measures where the rounds led.
    for (; d.rounds < division_rounds; ++d.rounds) step(d, target, meter, report);
    step(d, target, meter, report);
  }
  return divided(d.best, target);
}

}  // namespace

allocated search_allocation(sparsellm::cpu::executor& exec, model& m, const search_options& how,
                            double sparsity, const std::vector<window>& all,
                            const reporter& report) {
  const bool layers = how.allocation == "layers";
  require<value_error>(!layers || sparsity < most_of_a_block, "--allocation layers: at most ",
                       most_of_a_block, " expected, got ", sparsity);
  const std::vector<window> windows(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(how.windows, all.size())));
  require<value_error>(windows.front().size() >= 8, "--allocation ", how.allocation,
                       ": windows of at least 8 tokens expected, got ", windows.front().size());
  allocation_search search(exec, m, how, windows, report);
  search.search_blocks(layers ? most_of_a_block : sparsity);
  const model_sparsity shares =
      layers ? search.divide(sparsity) : search.same_for_all_blocks(sparsity);
  allocated result{how.allocation, sparsity, {}};
  for (std::size_t l = 0; l < shares.size(); ++l)
    for (const projection p : m.shape().projections())
      result.shares.push_back({{l, name(p)}, shares[l][m.shape().index_of(p)]});
  return result;
}

}  // namespace llama
