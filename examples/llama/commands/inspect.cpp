// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// inspect: what is in a model's file.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/inspect_pruned.hpp"
#include "files/config.hpp"
#include "files/gguf_metadata.hpp"
#include "files/model_source.hpp"
#include "files/tokenizer.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::ordered_json;

namespace {

void print(const ordered_json& result) {
  for (const auto& [key, value] : result.items()) {
    if (key == "pruned" || key == "pruning") continue;
    std::printf("%-16s %s\n", key.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  print_patterns(result);
  if (!result.contains("pruned")) return;
  for (const ordered_json& layer : result["pruned"]["layers"])
    std::printf("layer %-10s %s of %s bytes, %.4f of dense\n", layer["layer"].dump().c_str(),
                layer["bytes"].dump().c_str(), layer["dense_bytes"].dump().c_str(),
                layer["of_dense"].get<double>());
  std::printf("linear layers    %.4f of dense\nmodel            %.4f of dense\n",
              result["pruned"]["linears_of_dense"].get<double>(),
              result["pruned"]["model_of_dense"].get<double>());
}

// What a GGUF file says of how it was made, under a key of its metadata.
void add_provenance(const model_file& file, const char* key, const char* called,
                    ordered_json& result) {
  const std::string made = file.text(key, "");
  if (made.empty()) return;
  const ordered_json j = ordered_json::parse(made, nullptr, false);
  sparsellm::require<sparsellm::format_error>(j.is_object(), "model: '", key,
                                              "' is not a JSON object");
  result[called] = j;
}

}  // namespace

void run_inspect(const options& o, ordered_json& result) {
  if (!o.shape.empty()) return inspect_shape(o, result);
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
  add_provenance(file, pruning_key, "pruning", result);
  add_provenance(file, rotation_key, "rotation", result);
  inspect_pruned(file, c, result);
  print(result);
}

}  // namespace llama
