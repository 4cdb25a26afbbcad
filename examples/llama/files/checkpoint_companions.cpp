// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/checkpoint_companions.hpp"

#include <algorithm>
#include <cmath>
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
  const std::vector<float> known = rope_divisors(s, c.rotary_base, c.head_size);
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

ordered_json config_json(const model_file& f, const config& c, element_kind type,
                         const pruned_contents& pruned) {
  ordered_json j{{"architectures", {"LlamaForCausalLM"}},
                 {"model_type", "llama"},
                 {"_name_or_path", c.name},
                 {"hidden_act", "silu"},
                 {"hidden_size", c.width},
                 {"intermediate_size", c.hidden},
                 {"num_hidden_layers", c.layers},
                 {"num_attention_heads", c.heads},
                 {"num_key_value_heads", c.kv_heads},
                 {"head_dim", c.head_size},
                 {"max_position_embeddings", c.context},
                 {"rms_norm_eps", f.real("llama.attention.layer_norm_rms_epsilon")},
                 {"rope_theta", c.rotary_base},
                 {"rope_scaling", nullptr},
                 {"attention_bias", false},
                 {"mlp_bias", false},
                 {"tie_word_embeddings", f.find("output.weight") == nullptr},
                 {"vocab_size", c.vocabulary},
                 {"torch_dtype", torch_name(type)}};
  const vocabulary v = gguf_vocabulary(f);
  if (v.bos >= 0) j["bos_token_id"] = v.bos;
  if (v.stops.size() == 1)
    j["eos_token_id"] = v.stops.front();
  else if (!v.stops.empty())
    j["eos_token_id"] = v.stops;
  if (c.rotary_scale != 1.0)
    j["rope_scaling"] = {{"rope_type", "linear"}, {"factor", c.rotary_scale}};
  if (const tensor* divisors = f.find("rope_freqs.weight"); divisors != nullptr)
    j["rope_scaling"] = llama3_scaling_json(*divisors, c);
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
