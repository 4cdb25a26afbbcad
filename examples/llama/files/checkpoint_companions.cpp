// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/checkpoint_companions.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "files/dequantize.hpp"
#include "files/tokenizer_json.hpp"
#include "files/vocabulary.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::element_kind;
using sparsellm::require;

namespace {

const char* torch_name(element_kind type) {
  return type == element_kind::f32 ? "float32" : type == element_kind::f16 ? "float16" : "bfloat16";
}

// Llama 3.1's scaling, known by the divisors that a file has of it.
ordered_json llama3_scaling_json(const tensor& divisors, const config& c) {
  std::vector<float> given(divisors.cols);
  dequantize_row(divisors, 0, given);
  llama3_scaling s;
  s.factor = static_cast<double>(*std::max_element(given.begin(), given.end()));
  const std::vector<float> known = llama3_divisors(s, c.rotation.base, c.head_size);
  bool same = known.size() == given.size();
  for (std::size_t i = 0; same && i < given.size(); ++i)
    same = std::fabs(known[i] - given[i]) <= 1e-3f * given[i];
  require<sparsellm::format_error>(
      same, "checkpoint: the model's rotary scaling is not Llama 3.1's, which config.json can say");
  return {{"rope_type", "llama3"},
          {"factor", s.factor},
          {"low_freq_factor", s.low_frequency},
          {"high_freq_factor", s.high_frequency},
          {"original_max_position_embeddings", s.context}};
}

ordered_json quantization_json(const pruned_contents& p) {
  // compressed-tensors' readers know no other structures than these two; ours is in the metadata.
  return {{"quant_method", "compressed-tensors"},
          {"format", "dense"},
          {"sparsity_config",
           {{"format", p.is_24 ? "sparse-24-bitmask" : "sparse-bitmask"},
            {"global_sparsity", p.all > 0 ? 1.0 - p.kept / p.all : 0.0},
            {"ignore", p.dense},
            {"registry_requires_subclass", false},
            {"sparsity_structure", p.is_24 ? "2:4" : "unstructured"},
            {"targets", {"Linear"}}}}};
}

// Every projection of `which` has a bias, or none; in checkpoints one flag says it of all.
bool all_biased(const config& c, std::initializer_list<projection> which) {
  std::size_t biased = 0;
  for (const projection p : which) biased += c.has_bias[p] ? 1 : 0;
  require<sparsellm::format_error>(biased == 0 || biased == which.size(),
                                   "checkpoint: the model has a bias at some projections and none "
                                   "at others, which config.json cannot say");
  return biased != 0;
}

void add_biases(ordered_json& j, const config& c, const family& kind) {
  using enum projection;
  const bool mlp = all_biased(c, {gate, up, down});
  if (kind.model_type == "qwen2") {
    require<sparsellm::format_error>(all_biased(c, {q, k, v}) && !c.has_bias[o] && !mlp,
                                     "checkpoint: a qwen2 model has biases of q, k and v alone");
    return;
  }
  j["attention_bias"] = all_biased(c, {q, k, v, o});
  if (kind.model_type == "llama") j["mlp_bias"] = mlp;
  require<sparsellm::format_error>(
      kind.model_type == "llama" || (!mlp && (kind.model_type == "qwen3" || !c.has_bias[q])),
      "checkpoint: a ", kind.model_type, " model has no such biases");
}

void add_windows(ordered_json& j, const config& c, const family& kind) {
  const std::size_t window = *std::max_element(c.windows.begin(), c.windows.end());
  if (kind.model_type == "llama") return;
  j["sliding_window"] = window == 0 ? ordered_json(nullptr) : ordered_json(window);
  if (kind.model_type == "mistral") {
    require<sparsellm::format_error>(
        std::count(c.windows.begin(), c.windows.end(), window) ==
            static_cast<std::ptrdiff_t>(c.layers),
        "checkpoint: the model has a window in some layers, which config.json cannot say");
    return;
  }
  j["use_sliding_window"] = window != 0;
  j["layer_types"] = ordered_json::array();
  for (const std::size_t w : c.windows)
    j["layer_types"].push_back(w != 0 ? "sliding_attention" : "full_attention");
}

ordered_json rotary_json(const model_file& f, const config& c) {
  const rotary& r = c.rotation;
  if (const tensor* divisors = f.find("rope_freqs.weight"); divisors != nullptr)
    return llama3_scaling_json(*divisors, c);
  if (r.yarn.has_value())
    return {{"rope_type", "yarn"},
            {"factor", r.yarn->factor},
            {"original_max_position_embeddings", r.yarn->context},
            {"beta_fast", r.yarn->beta_fast},
            {"beta_slow", r.yarn->beta_slow},
            {"attention_factor", r.magnitude}};
  require<sparsellm::format_error>(r.magnitude == 1.0, "checkpoint: cosines and sines times ",
                                   r.magnitude, ", which config.json can say of YaRN alone");
  if (r.scale != 1.0) return {{"rope_type", "linear"}, {"factor", r.scale}};
  return nullptr;
}

ordered_json config_json(const model_file& f, const config& c, element_kind type,
                         const pruned_contents& pruned) {
  const family& kind = checkpoint_family(c);
  ordered_json j{{"architectures", {kind.class_name}},
                 {"model_type", kind.model_type},
                 {"_name_or_path", c.name},
                 {"hidden_act", "silu"},
                 {"hidden_size", c.width},
                 {"intermediate_size", c.hidden},
                 {"num_hidden_layers", c.layers},
                 {"num_attention_heads", c.heads},
                 {"num_key_value_heads", c.kv_heads},
                 {"head_dim", c.head_size},
                 {"max_position_embeddings", c.context},
                 {"rms_norm_eps", f.real(c.architecture + ".attention.layer_norm_rms_epsilon")},
                 {"rope_theta", c.rotation.base},
                 {"rope_scaling", rotary_json(f, c)},
                 {"tie_word_embeddings", f.find("output.weight") == nullptr},
                 {"vocab_size", c.vocabulary},
                 {"torch_dtype", torch_name(type)}};
  add_biases(j, c, kind);
  add_windows(j, c, kind);
  const vocabulary v = gguf_vocabulary(f);
  if (v.bos >= 0) j["bos_token_id"] = v.bos;
  if (v.stops.size() == 1)
    j["eos_token_id"] = v.stops.front();
  else if (!v.stops.empty())
    j["eos_token_id"] = v.stops;
  j["quantization_config"] = quantization_json(pruned);
  return j;
}

// The checkpoint's own, with what pruning changes: the types of tensors, and how they are stored.
std::string carried_config(const std::string& text, element_kind type,
                           const pruned_contents& pruned) {
  ordered_json j = ordered_json::parse(text);
  for (const char* key : {"torch_dtype", "dtype"})
    if (j.contains(key)) j[key] = torch_name(type);
  if (!j.contains("torch_dtype") && !j.contains("dtype")) j["torch_dtype"] = torch_name(type);
  j["quantization_config"] = quantization_json(pruned);
  return j.dump(1) + "\n";
}

}  // namespace

const family& checkpoint_family(const config& c) {
  const bool windowed =
      std::any_of(c.windows.begin(), c.windows.end(), [](std::size_t w) { return w != 0; });
  return windowed && c.architecture == "llama" ? *family_of_model_type("mistral")
                                               : *family_of_architecture(c.architecture);
}

std::map<std::string, std::string> checkpoint_companions(const checkpoint_source& from,
                                                         element_kind type,
                                                         const pruned_contents& pruned) {
  if (from.directory.empty())
    return {{"config.json", config_json(from.file, from.c, type, pruned).dump(1) + "\n"},
            {"tokenizer.json", write_tokenizer_json(from.file)},
            {"tokenizer_config.json", write_tokenizer_config(from.file)}};
  std::map<std::string, std::string> texts;
  for (const std::string& name : companions_of(from.directory))
    texts[name] = sparsellm::read_file(from.directory + "/" + name);
  texts.at("config.json") = carried_config(texts.at("config.json"), type, pruned);
  return texts;
}

}  // namespace llama
