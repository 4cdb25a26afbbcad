// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/search.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "commands/terminal.hpp"
#include "methods/block_trial.hpp"
#include "methods/divergence.hpp"
#include "sparsellm/calibrate/greedy.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::allocated;
using sparsellm::block_sparsity;
using sparsellm::format_error;
using sparsellm::greedy_search;
using sparsellm::greedy_step;
using sparsellm::require;
using sparsellm::value_error;

namespace {

// What a search's states are compared at with uniform sparsity.
constexpr double reference_sparsity = 0.5;
// When sparsity is divided between blocks: the limits of a block; how many groups of neighbouring
// blocks are moved together, for what one block alone changes is less than the noise of measuring
// it; how far a group and a projection are lowered to see what that gains; how often, and how far
// the division then moves at first.
constexpr double most_of_a_block = 0.85, least_of_a_block = 0.05, most_of_a_projection = 0.95;
constexpr std::size_t block_groups = 6, division_rounds = 6;
constexpr double group_probe = 0.1, projection_probe = 0.15, first_stride = 0.06;

struct block_found {
  greedy_search greedy;
  double uniform_error = 0;  // at reference_sparsity
};

// How a sparsity is divided: the groups' sparsities, then what is added to the seven projections.
using division_parameters = std::vector<double>;

// The best of the rounds so far, and how far from dense the model's predictions are with it.
struct division {
  double target = 0;
  std::size_t rounds = 0;
  division_parameters now, best;
  double divergence = -1;
};

struct search_state {
  std::string identity;  // what it was made from
  std::vector<block_found> blocks;
  std::vector<division> divisions;
};

std::string identity_of(const setup& s, const options& o, const std::vector<window>& windows) {
  sparsellm::weight_hash text;
  for (const window& w : windows)
    text.add(reinterpret_cast<const std::byte*>(w.data()), w.size() * sizeof(w[0]));
  return sparsellm::concat(s.model.shape().name, " ", s.model.identity().weight_hash, " text ",
                           text.value(), " norm ", o.norm);
}

void save(const search_state& state, const std::string& path) {
  if (path.empty()) return;
  ordered_json blocks = ordered_json::array();
  for (const block_found& b : state.blocks) {
    ordered_json path_of = ordered_json::array();
    for (const greedy_step& step : b.greedy.path)
      path_of.push_back({{"sparsity", step.sparsity}, {"error", step.error}});
    blocks.push_back({{"uniform_error", b.uniform_error}, {"path", std::move(path_of)}});
  }
  ordered_json divisions = ordered_json::array();
  for (const division& d : state.divisions)
    divisions.push_back({{"target", d.target},
                         {"rounds", d.rounds},
                         {"now", d.now},
                         {"best", d.best},
                         {"divergence", d.divergence}});
  const ordered_json j{{"format", "sparsellm-search"},
                       {"version", 1},
                       {"identity", state.identity},
                       {"blocks", std::move(blocks)},
                       {"divisions", std::move(divisions)}};
  sparsellm::replace_file(path, j.dump() + "\n");
}

search_state load(const std::string& path, const std::string& identity,
                  const std::vector<double>& weights) {
  search_state state{identity, {}, {}};
  if (path.empty() || !std::filesystem::exists(path)) return state;
  try {
    const ordered_json j = ordered_json::parse(sparsellm::read_file(path));
    require<format_error>(j.at("format") == "sparsellm-search" && j.at("version") == 1,
                          "not a search state of version 1");
    require<format_error>(j.at("identity") == identity, "made from '",
                          j.at("identity").get<std::string>(), "', this is '", identity, "'");
    for (const ordered_json& b : j.at("blocks")) {
      block_found found;
      found.greedy.weights = weights;
      found.uniform_error = b.at("uniform_error");
      for (const ordered_json& step : b.at("path")) {
        found.greedy.path.push_back({step.at("sparsity"), step.at("error")});
        require<format_error>(found.greedy.path.back().sparsity.size() == weights.size(),
                              "a step has ", found.greedy.path.back().sparsity.size(),
                              " sparsities");
      }
      state.blocks.push_back(std::move(found));
    }
    for (const ordered_json& d : j.at("divisions")) {
      state.divisions.push_back(
          {d.at("target"), d.at("rounds"), d.at("now"), d.at("best"), d.at("divergence")});
      constexpr std::size_t n = block_groups + projections.size();
      require<format_error>(
          state.divisions.back().now.size() == n && state.divisions.back().best.size() == n,
          "a division has ", state.divisions.back().now.size(), " parameters, ", n, " expected");
    }
  } catch (const std::exception& e) {
    sparsellm::raise<format_error>(sparsellm::concat("--search '", path, "': ", e.what()));
  }
  return state;
}

// Every block's path up to `target`.
void search_blocks(setup& s, const options& o, double target, const std::vector<window>& windows,
                   search_state& state) {
  const config& c = s.model.shape();
  const std::size_t length = windows.front().size();
  std::vector<double> weights;
  for (const projection p : projections) {
    const sparsellm::extents e = s.model.extents_of(p);
    weights.push_back(static_cast<double>(e.outputs * e.inputs));
  }
  const bool found = state.blocks.size() == c.layers &&
                     std::all_of(state.blocks.begin(), state.blocks.end(), [&](const auto& b) {
                       return b.greedy.reached() >= target - b.greedy.step;
                     });
  if (found) return;
  forward steps(s.exec, s.model, length, length);
  sparsellm::buffer<float> stream(windows.size() * length * c.width);
  const rows x(stream.data(), windows.size() * length, c.width);
  for (std::size_t w = 0; w < windows.size(); ++w)
    for (std::size_t t = 0; t < length; ++t) s.model.embed(windows[w][t], x.row(w * length + t));
  const progress report = show_progress("searching an allocation on the CPU");
  const error_norm norm = o.norm == "channel" ? error_norm::channel : error_norm::token;
  for (std::size_t l = 0; l < c.layers; ++l) {
    block_trial trial(s.exec, s.model, steps, l, length, x, norm);
    if (state.blocks.size() <= l) {
      state.blocks.emplace_back();
      state.blocks[l].greedy.weights = weights;
      state.blocks[l].uniform_error = trial.uniform_error(reference_sparsity);
    }
    greedy_search& greedy = state.blocks[l].greedy;
    if (greedy.path.size() > 1)
      for (const projection p : projections) trial.keep(greedy.path.back().sparsity, p);
    greedy.run(
        target,
        [&](const std::vector<double>& at, std::size_t p) {
          return trial.error(at, projections[p]);
        },
        [&](std::size_t p) {
          trial.keep(greedy.path.back().sparsity, projections[p]);
          report((static_cast<double>(l) + greedy.reached() / target) /
                 static_cast<double>(c.layers));
        });
    save(state, o.search);
  }
  report(1.0);
}

// [layers][projections]: the blocks' paths at their groups' sparsities, the projections moved, and
// all groups shifted alike until the model's sparsity is `target`.
std::vector<std::vector<double>> divided(const search_state& state, const division_parameters& d,
                                         double target) {
  const std::size_t layers = state.blocks.size();
  const std::vector<double>& weights = state.blocks.front().greedy.weights;
  std::vector<std::vector<double>> sparsity(layers);
  double shift = 0;
  for (int pass = 0; pass < 20; ++pass) {
    double sum = 0;
    for (std::size_t l = 0; l < layers; ++l) {
      const double of_block =
          std::clamp(d[l * block_groups / layers] + shift, least_of_a_block, most_of_a_block);
      sparsity[l] = state.blocks[l].greedy.nearest(of_block).sparsity;
      for (std::size_t p = 0; p < projections.size(); ++p)
        sparsity[l][p] =
            std::clamp(sparsity[l][p] + d[block_groups + p], 0.0, most_of_a_projection);
      sum += block_sparsity(sparsity[l], weights);
    }
    shift += target - sum / static_cast<double>(layers);
  }
  return sparsity;
}

// The sparsity `target`, divided between blocks and projections so that the model's predictions
// stay nearer to the dense ones than with the same for all blocks. A round lowers one group, or one
// projection in all blocks, after the other and sees what a unit of the model's sparsity gains
// there; what gains more than the mean is lowered for good, and what gains less raised.
std::vector<std::vector<double>> divide(setup& s, const options& o, double target,
                                        const std::vector<window>& windows, search_state& state) {
  const std::vector<double>& weights = state.blocks.front().greedy.weights;
  double all = 0;
  for (const double w : weights) all += w;
  std::size_t known = 0;
  while (known < state.divisions.size() && state.divisions[known].target != target) ++known;
  if (known == state.divisions.size()) {
    division_parameters start(block_groups, target);
    start.resize(block_groups + projections.size(), 0.0);
    state.divisions.push_back({target, 0, start, start, -1});
  }
  division& d = state.divisions[known];
  if (d.rounds == division_rounds) return divided(state, d.best, target);
  divergence_meter meter(s.exec, s.model, windows);
  const progress report = show_progress("dividing sparsity between blocks on the CPU");
  while (true) {
    const std::vector<std::vector<double>> now = divided(state, d.now, target);
    const double here = meter.measure(now);
    if (d.divergence < 0 || here < d.divergence) {
      d.divergence = here;
      d.best = d.now;
    }
    save(state, o.search);
    if (d.rounds == division_rounds) return divided(state, d.best, target);
    std::vector<double> gain(d.now.size());
    double mean = 0;
    for (std::size_t i = 0; i < gain.size(); ++i) {
      std::vector<std::vector<double>> lowered = now;
      double share = 0;  // of the model's weights, that is no longer skipped
      for (std::size_t l = 0; l < lowered.size(); ++l)
        for (std::size_t p = 0; p < projections.size(); ++p) {
          const bool group = i < block_groups;
          if (group ? l * block_groups / lowered.size() != i : p != i - block_groups) continue;
          double& was = lowered[l][p];
          const double is = std::max(was - (group ? group_probe : projection_probe), 0.0);
          share += (was - is) * weights[p] / all / static_cast<double>(lowered.size());
          was = is;
        }
      gain[i] = share > 0 ? std::max(here - meter.measure(lowered), 0.0) / share : 0.0;
      mean += gain[i] / static_cast<double>(gain.size());
      report((static_cast<double>(d.rounds) +
              static_cast<double>(i + 1) / static_cast<double>(gain.size())) /
             static_cast<double>(division_rounds));
    }
    const double stride = first_stride / std::sqrt(static_cast<double>(1 + d.rounds));
    for (std::size_t i = 0; i < gain.size(); ++i)
      d.now[i] -= stride * std::clamp(gain[i] / std::max(mean, 1e-12) - 1.0, -1.0, 1.0);
    ++d.rounds;
  }
}

}  // namespace

allocated search_allocation(setup& s, const options& o, double sparsity,
                            const std::vector<window>& all) {
  require<value_error>(o.norm == "token" || o.norm == "channel",
                       "--norm: token or channel expected, got '", o.norm, "'");
  require<value_error>(o.search_windows >= 1, "--search-windows: at least 1 expected, got 0");
  const bool layers = o.allocation == "layers";
  require<value_error>(!layers || sparsity < most_of_a_block, "--allocation layers: at most ",
                       most_of_a_block, " expected, got ", sparsity);
  const std::vector<window> windows(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                   o.search_windows, all.size())));
  require<value_error>(windows.front().size() >= 8, "--allocation ", o.allocation,
                       ": windows of at least 8 tokens expected, got ", windows.front().size());
  std::vector<double> weights;
  for (const projection p : projections) {
    const sparsellm::extents e = s.model.extents_of(p);
    weights.push_back(static_cast<double>(e.outputs * e.inputs));
  }
  search_state state = load(o.search, identity_of(s, o, windows), weights);
  search_blocks(s, o, layers ? most_of_a_block : sparsity, windows, state);
  std::vector<std::vector<double>> shares;
  if (layers)
    shares = divide(s, o, sparsity, windows, state);
  else
    for (const block_found& b : state.blocks) shares.push_back(b.greedy.nearest(sparsity).sparsity);
  allocated result{o.allocation, sparsity, {}};
  for (std::size_t l = 0; l < shares.size(); ++l)
    for (const projection p : projections)
      result.shares.push_back({{l, name(p)}, shares[l][index_of(p)]});
  return result;
}

}  // namespace llama
