// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/checkpoint_config.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "files/json_ledger.hpp"
#include "files/utf8.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::json;
using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

namespace {

// The architecture comes before everything else, so that another model is named as what it is.
void check_architecture(json_ledger& c, checkpoint_config& to) {
  const std::optional<std::string> type = c.text("model_type");
  require<format_error>(type.has_value(), c.where(), " has no model_type");
  require<format_error>(*type == "llama", "model: the architecture llama expected, got '", *type,
                        "'");
  to.values["general.architecture"] = *type;
  const json* names = c.take("architectures");
  if (names == nullptr) return;
  require<format_error>(names->is_array() && !names->empty(), c.where(),
                        ": 'architectures' must be a list of names");
  for (const json& n : *names)
    require<format_error>(n == "LlamaForCausalLM" || n == "LLaMAForCausalLM", c.where(),
                          ": the architecture LlamaForCausalLM expected, got ",
                          n.dump(-1, ' ', false, json::error_handler_t::replace));
}

void read_sizes(json_ledger& c, checkpoint_config& to) {
  const auto size = [&](const char* key, const char* gguf_key) {
    const std::optional<std::uint64_t> n = c.whole(key);
    require<format_error>(n.has_value(), c.where(), " must have a whole number '", key, "'");
    to.values[std::string("llama.") + gguf_key] = *n;
    return *n;
  };
  size("num_hidden_layers", "block_count");
  const std::uint64_t width = size("hidden_size", "embedding_length");
  size("intermediate_size", "feed_forward_length");
  const std::uint64_t heads = size("num_attention_heads", "attention.head_count");
  if (const auto n = c.whole("num_key_value_heads"))
    to.values["llama.attention.head_count_kv"] = *n;
  // What transformers takes where the file is silent.
  to.values["llama.context_length"] = c.whole("max_position_embeddings").value_or(2048);
  to.values["llama.attention.layer_norm_rms_epsilon"] = c.number("rms_norm_eps").value_or(1e-6);
  const std::uint64_t head = c.whole("head_dim").value_or(heads == 0 ? 0 : width / heads);
  require<format_error>(head >= 2 && head % 2 == 0 && head <= 65536, "checkpoint: heads of ", head,
                        " elements, an even number expected");
  to.values["llama.attention.key_length"] = head;
  to.head_size = static_cast<std::size_t>(head);
  if (const auto n = c.whole("vocab_size")) {
    to.values["llama.vocab_size"] = *n;
    to.ids.size = *n;
  }
}

void check_choices(json_ledger& c) {
  const std::string act = c.text("hidden_act").value_or("silu");
  require<format_error>(act == "silu" || act == "swish", c.where(), ": hidden_act must be silu, ",
                        "got '", act, "'");
  for (const char* key :
       {"attention_bias", "mlp_bias", "rope_interleaved", "use_sliding_window",
        "is_encoder_decoder", "add_cross_attention", "cross_attention_hidden_size"})
    require<format_error>(!c.flag(key).value_or(false), c.where(), ": '", key, "' must be false");
  require<format_error>(c.number("partial_rotary_factor").value_or(1.0) == 1.0, c.where(),
                        ": 'partial_rotary_factor' must be 1");
}

// rope_parameters of transformers 5, or rope_theta and rope_scaling of those before it.
void read_rotary(json_ledger& c, checkpoint_config& to) {
  const std::optional<double> theta = c.number("rope_theta");
  const json *parameters = c.take("rope_parameters"), *old = c.take("rope_scaling");
  require<format_error>(parameters == nullptr || old == nullptr || *parameters == *old, c.where(),
                        ": rope_scaling and rope_parameters say different things");
  const std::string name = parameters != nullptr ? "rope_parameters" : "rope_scaling";
  if (parameters == nullptr) parameters = old;
  static const json nothing = json::object();
  json_ledger r(parameters == nullptr ? nothing : *parameters, c.where() + ": " + name);
  const std::optional<double> inner = r.number("rope_theta");
  require<format_error>(!theta || !inner || *theta == *inner, c.where(),
                        ": rope_theta and that of ", name, " differ");
  to.rotary_base = inner ? *inner : theta.value_or(10000.0);
  to.values["llama.rope.freq_base"] = to.rotary_base;
  require<format_error>(r.number("partial_rotary_factor").value_or(1.0) == 1.0, r.where(),
                        ": 'partial_rotary_factor' must be 1");
  const std::optional<std::string> kind = r.text("rope_type"), type = r.text("type");
  require<format_error>(!kind || !type || *kind == *type, r.where(), ": rope_type '",
                        kind.value_or(""), "' and type '", type.value_or(""), "' differ");
  const std::string scaling = kind ? *kind : type.value_or("default");
  require<format_error>(scaling == "default" || scaling == "linear" || scaling == "llama3",
                        r.where(), " must be linear or llama3, got '", scaling, "'");
  const auto number = [&](const char* key) {
    const std::optional<double> n = r.number(key);
    require<format_error>(n.has_value(), r.where(), " must have a number '", key, "'");
    return *n;
  };
  if (scaling == "linear") {
    to.values["llama.rope.scaling.type"] = std::string("linear");
    to.values["llama.rope.scaling.factor"] = number("factor");
  } else if (scaling == "llama3") {
    const llama3_scaling s{number("factor"), number("low_freq_factor"), number("high_freq_factor"),
                           number("original_max_position_embeddings")};
    require<format_error>(s.factor > 0 && s.low_frequency > 0 &&
                              s.high_frequency > s.low_frequency && s.context > 0 &&
                              to.rotary_base > 1,
                          r.where(), "'s numbers do not fit together");
    to.scaling = s;
  }
  r.finish();
}

// Only what pruning writes: the tensors' own names and types say the rest.
void check_quantization(json_ledger& c) {
  const json* given = c.take("quantization_config");
  if (given == nullptr) return;
  json_ledger q(*given, c.where() + ": quantization_config");
  const std::string method = q.text("quant_method").value_or("none");
  require<format_error>(method == "compressed-tensors", q.where(), ": the method '", method,
                        "' is not read; dense weights, and compressed-tensors' bitmasks are");
  const std::string format = q.text("format").value_or("dense");
  require<format_error>(
      format == "dense" || format == "sparse-24-bitmask" || format == "sparse-bitmask", q.where(),
      ": the format '", format, "' is not read; dense and bitmasks are");
  constexpr known_key harmless[] = {
      {"sparsity_config", "tensors say it themselves"},
      {"ignore", "tensors say it themselves"},
      {"quantization_status", "of quantised weights, which are refused"},
      {"global_compression_ratio", "a measurement"},
      {"version", "of the program that wrote it"}};
  q.finish(harmless);
}

std::vector<std::uint64_t> read_ids(json_ledger& c, const char* key) {
  const json* v = c.take(key);
  std::vector<std::uint64_t> ids;
  if (v == nullptr) return ids;
  for (const json& id : v->is_array() ? *v : json::array({*v})) {
    // -1 is what configurations of old say for none.
    if (id.is_number_integer() && id.get<std::int64_t>() == -1) continue;
    require<format_error>(id.is_number_unsigned(), c.where(), ": '", key,
                          "' must be an id or a list of ids");
    ids.push_back(id.get<std::uint64_t>());
  }
  return ids;
}

void add_stops(json_ledger& c, token_ids& to) {
  for (const std::uint64_t id : read_ids(c, "eos_token_id"))
    if (std::find(to.stops.begin(), to.stops.end(), id) == to.stops.end()) to.stops.push_back(id);
}

}  // namespace

checkpoint_config read_checkpoint_config(const std::string& config,
                                         const std::string& generation_config,
                                         const std::string& name) {
  const json parsed = parse_object(config, "checkpoint: config.json");
  json_ledger c(parsed, "checkpoint: config.json");
  checkpoint_config to;
  check_architecture(c, to);
  for (const char* key : {"num_local_experts", "num_experts", "n_routed_experts"})
    require<format_error>(c.take(key) == nullptr, c.where(), ": '", key,
                          "': a mixture of experts is not supported");
  const json* called = c.take("_name_or_path");
  to.values["general.name"] =
      called != nullptr && called->is_string() && !called->get<std::string>().empty()
          ? called->get<std::string>()
          : valid_utf8(name);
  read_sizes(c, to);
  check_choices(c);
  read_rotary(c, to);
  check_quantization(c);
  to.tied = c.flag("tie_word_embeddings").value_or(false);
  if (const auto bos = read_ids(c, "bos_token_id"); !bos.empty()) to.ids.bos = bos.front();
  add_stops(c, to.ids);
  if (const auto window = c.whole("sliding_window"))
    require<format_error>(*window >= std::get<std::uint64_t>(to.values["llama.context_length"]),
                          c.where(), ": a sliding window of ", *window, " tokens is not supported");
  c.finish(harmless_config_keys());
  if (generation_config.empty()) return to;
  const json generation = parse_object(generation_config, "checkpoint: generation_config.json");
  json_ledger g(generation, "checkpoint: generation_config.json");
  add_stops(g, to.ids);
  g.finish(harmless_generation_keys());
  return to;
}

}  // namespace llama
