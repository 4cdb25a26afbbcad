// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/search_state.hpp"

#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "files/projection.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::format_error;
using sparsellm::greedy_step;
using sparsellm::require;

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

search_state parse_search(const std::string& text, const std::string& identity,
                          const std::vector<double>& weights) {
  search_state state{identity, {}, {}};
  try {
    const ordered_json j = ordered_json::parse(text);
    require<format_error>(j.at("format") == "sparsellm-search" && j.at("version") == 1,
                          "not a search state of version 1");
    // States of earlier versions have the model's name before it.
    const std::string from = j.at("identity");
    require<format_error>(from == identity || from.ends_with(" " + identity), "made from '", from,
                          "', this is '", identity, "'");
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
      const std::size_t n = division_groups + weights.size();
      require<format_error>(
          state.divisions.back().now.size() == n && state.divisions.back().best.size() == n,
          "a division has ", state.divisions.back().now.size(), " parameters, ", n, " expected");
    }
  } catch (const std::exception& e) {
    sparsellm::raise<format_error>(e.what());
  }
  return state;
}

search_state load_search(const std::string& path, const std::string& identity,
                         const std::vector<double>& weights) {
  if (path.empty() || !std::filesystem::exists(path)) return {identity, {}, {}};
  try {
    return parse_search(sparsellm::read_file(path), identity, weights);
  } catch (const sparsellm::error& e) {
    sparsellm::raise<format_error>(sparsellm::concat("--search '", path, "': ", e.what()));
  }
}

}  // namespace llama
