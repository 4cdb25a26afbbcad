// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect_pruned.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "files/dequantize.hpp"
#include "files/pattern_name.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/prune/mask.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;

namespace {

// What masks save, by layer, over the pruned projections, and over all tensors: kept values and one
// bit per weight against all values.
void add_savings(const model_file& file, const config& c, ordered_json& result) {
  double kept_all = 0, dense_all = 0, other = 0;
  ordered_json layers = ordered_json::array();
  std::vector<std::size_t> kept(c.layers, 0), dense(c.layers, 0);
  for (const tensor& t : file.tensors()) {
    if (t.mask == nullptr) {
      other += static_cast<double>(t.bytes);
      continue;
    }
    const auto layer = static_cast<std::size_t>(std::strtoull(t.name.c_str() + 4, nullptr, 10));
    require<sparsellm::format_error>(layer < c.layers, "model: '", t.name, "' of ", c.layers,
                                     " layers");
    const std::size_t element = info_of(static_cast<std::uint32_t>(t.type))->bytes;
    kept[layer] += t.bytes + t.rows * ((t.cols + 7) / 8);
    dense[layer] += t.rows * t.cols * element;
  }
  for (std::size_t l = 0; l < c.layers; ++l) {
    if (dense[l] == 0) continue;
    layers.push_back({{"layer", l},
                      {"bytes", kept[l]},
                      {"dense_bytes", dense[l]},
                      {"of_dense", static_cast<double>(kept[l]) / static_cast<double>(dense[l])}});
    kept_all += static_cast<double>(kept[l]);
    dense_all += static_cast<double>(dense[l]);
  }
  if (layers.empty()) return;
  const bool shuffled =
      std::any_of(file.orders().begin(), file.orders().end(), [](const block_orders& b) {
        return std::any_of(b.begin(), b.end(), [](const auto& order) { return order.size() != 0; });
      });
  result["pruned"] = {{"linears_of_dense", kept_all / dense_all},
                      {"model_of_dense", (kept_all + other) / (dense_all + other)},
                      {"shuffled", shuffled},
                      {"layers", layers}};
}

// "dense", "2:4", or "none" of a mask that follows no pattern in the order of its channels. Rows
// far apart are looked at, so that a large model takes seconds.
std::string pattern_of(const tensor& t, const sparsellm::channel_order& order) {
  if (t.mask == nullptr) return "dense";
  const std::size_t rows = std::min<std::size_t>(t.rows, 256);
  sparsellm::weight_mask mask({rows, t.cols});
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < t.cols; ++c)
      if (keeps(t, r * t.rows / rows, order.size() == t.cols ? order[c] : c)) mask.keep(r, c);
  constexpr std::size_t most = 32;  // that check() of a pattern lets M be
  for (std::size_t m = 2; m <= most; ++m) {
    sparsellm::nm_pattern p{0, m};
    for (std::size_t c = 0; c < std::min(m, t.cols); ++c) p.n += mask.keeps(0, c) ? 1 : 0;
    if (p.n >= 1 && p.n < m && mask.follows(p)) return name(p);
  }
  return "none";
}

}  // namespace

void inspect_pruned(const model_file& file, const config& c, ordered_json& result) {
  add_savings(file, c, result);
  if (!result.contains("pruned")) return;
  ordered_json& patterns = result["pruned"]["patterns"];
  for (const projection p : c.projections())
    for (std::size_t l = 0; l < c.layers; ++l)
      patterns[name(p)].push_back(pattern_of(
          weight_of(file, c, l, p),
          file.orders().empty() ? sparsellm::channel_order() : file.orders()[l][site_of(p)]));
}

void print_patterns(const ordered_json& result) {
  const ordered_json* patterns = nullptr;
  if (result.contains("pruned"))
    patterns = &result["pruned"]["patterns"];
  else if (result.contains("pruning") && result["pruning"].contains("patterns"))
    patterns = &result["pruning"]["patterns"];
  if (patterns == nullptr) {
    if (result.contains("pruning") && result["pruning"].contains("pattern"))
      std::printf("pruned           %s\n", result["pruning"]["pattern"].dump().c_str());
    return;
  }
  for (const auto& [which, of_layers] : patterns->items()) {
    std::map<std::string, std::size_t> counts;
    for (const ordered_json& p : of_layers) ++counts[p.is_string() ? p.get<std::string>() : "?"];
    std::printf("pruned %-9s", which.c_str());
    for (const auto& [pattern, count] : counts) std::printf(" %zu x %s", count, pattern.c_str());
    std::printf("\n");
  }
}

}  // namespace llama
