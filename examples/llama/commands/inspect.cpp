// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// inspect: what is in a model's file.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "files/config.hpp"
#include "files/model_source.hpp"
#include "files/tokenizer.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;

namespace {

// What masks save, by layer, over the pruned projections, and over all tensors: kept values and one
// bit per weight against all values.
void add_pruning(const model_file& file, const config& c, ordered_json& result) {
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

void print(const ordered_json& result) {
  for (const auto& [key, value] : result.items()) {
    if (key == "pruned") continue;
    std::printf("%-16s %s\n", key.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  if (!result.contains("pruned")) return;
  for (const ordered_json& layer : result["pruned"]["layers"])
    std::printf("layer %-10s %s of %s bytes, %.4f of dense\n", layer["layer"].dump().c_str(),
                layer["bytes"].dump().c_str(), layer["dense_bytes"].dump().c_str(),
                layer["of_dense"].get<double>());
  std::printf("linear layers    %.4f of dense\nmodel            %.4f of dense\n",
              result["pruned"]["linears_of_dense"].get<double>(),
              result["pruned"]["model_of_dense"].get<double>());
}

}  // namespace

void run_inspect(const options& o, ordered_json& result) {
  const model_source source(o.model);
  const model_file& file = source.file();
  const config c = read_config(file);
  check_tensors(file, c);
  const tokenizer t(file);
  std::size_t bytes = 0, weights = 0;
  ordered_json types = ordered_json::object();
  for (const tensor& x : file.tensors()) {
    const std::string type(info_of(static_cast<std::uint32_t>(x.type))->name);
    types[type] = types.value(type, 0) + 1;
    bytes += x.bytes;
    weights += x.rows * x.cols;
  }
  ordered_json biases = ordered_json::array();
  for (const projection p : c.projections())
    if (c.has_bias[p]) biases.push_back(name(p));
  const std::size_t window = *std::max_element(c.windows.begin(), c.windows.end());
  const auto windowed = std::count(c.windows.begin(), c.windows.end(), window);
  result = {{"model", c.name},
            {"architecture", c.architecture},
            {"layers", c.layers},
            {"width", c.width},
            {"hidden", c.hidden},
            {"heads", c.heads},
            {"kv_heads", c.kv_heads},
            {"head_size", c.head_size},
            {"norm", name(c.parts.norm)},
            {"head_norms", c.parts.head_norms},
            {"positions", name(c.parts.positions)},
            {"mlp", name(c.parts.mlp)},
            {"biases", biases},
            {"sliding_window", window},
            {"windowed_layers", window == 0 ? 0 : windowed},
            {"context", c.context},
            {"vocabulary", c.vocabulary},
            {"tokenizer", file.text("tokenizer.ggml.model")},
            {"pretokenizer", file.text("tokenizer.ggml.pre", "")},
            {"tied_embeddings", file.find("output.weight") == nullptr},
            {"tensors", file.tensors().size()},
            {"tensor_types", types},
            {"weights", weights},
            {"bytes", bytes}};
  if (c.parts.positions == position_kind::rotary) {
    result["rotary_base"] = c.rotation.base;
    result["rotary_scaling"] = c.rotation.yarn.has_value()                 ? "yarn"
                               : file.find("rope_freqs.weight") != nullptr ? "llama3"
                               : c.rotation.scale != 1.0                   ? "linear"
                                                                           : "none";
  }
  add_pruning(file, c, result);
  print(result);
}

}  // namespace llama
