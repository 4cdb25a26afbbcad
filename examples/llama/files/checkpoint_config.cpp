// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/checkpoint_config.hpp"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "files/checkpoint_rotary.hpp"
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

// What transformers takes where config.json is silent; 0: as the other numbers say.
struct defaults {
  std::string_view model_type;
  std::uint64_t context, kv_heads, head_size, window;
  std::uint64_t full_layers;  // the first ones, without a window
};
constexpr defaults all_defaults[] = {{"llama", 2048, 0, 0, 0, 0},
                                     {"mistral", 131072, 8, 0, 4096, 0},
                                     {"qwen2", 32768, 32, 0, 4096, 28},
                                     {"qwen3", 32768, 32, 128, 4096, 28},
                                     {"opt", 2048, 0, 0, 0, 0}};

const defaults& defaults_of(const checkpoint_config& to) {
  for (const defaults& d : all_defaults)
    if (d.model_type == to.kind->model_type) return d;
  return all_defaults[0];
}

// The architecture comes before everything else, so that another model is named as what it is.
void check_architecture(json_ledger& c, checkpoint_config& to) {
  const std::optional<std::string> type = c.text("model_type");
  require<format_error>(type.has_value(), c.where(), " has no model_type");
  to.kind = family_of_model_type(*type);
  require<format_error>(to.kind != nullptr,
                        "model: the architecture llama, mistral, qwen2, qwen3 or opt expected, "
                        "got '",
                        *type, "'");
  to.values["general.architecture"] = std::string(to.kind->architecture);
  const json* names = c.take("architectures");
  if (names == nullptr) return;
  require<format_error>(names->is_array() && !names->empty(), c.where(),
                        ": 'architectures' must be a list of names");
  for (const json& n : *names)
    require<format_error>(n == to.kind->class_name || (n == "LLaMAForCausalLM" && *type == "llama"),
                          c.where(), ": the architecture ", to.kind->class_name, " expected, got ",
                          n.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::uint64_t read_size(json_ledger& c, checkpoint_config& to, const char* key,
                        const char* gguf_key) {
  const std::optional<std::uint64_t> n = c.whole(key);
  require<format_error>(n.has_value(), c.where(), " must have a whole number '", key, "'");
  to.values[to.key(gguf_key)] = *n;
  return *n;
}

// A number, or what transformers takes when the key is missing; `otherwise` when it is null.
std::uint64_t whole_or(json_ledger& c, const char* key, std::uint64_t missing,
                       std::uint64_t otherwise) {
  const bool silent = !c.has(key);
  return c.whole(key).value_or(silent ? missing : otherwise);
}

void read_sizes(json_ledger& c, checkpoint_config& to) {
  const defaults& d = defaults_of(to);
  read_size(c, to, "num_hidden_layers", "block_count");
  const std::uint64_t width = read_size(c, to, "hidden_size", "embedding_length");
  read_size(c, to, to.kind->parts.mlp == mlp_kind::relu ? "ffn_dim" : "intermediate_size",
            "feed_forward_length");
  const std::uint64_t heads = read_size(c, to, "num_attention_heads", "attention.head_count");
  to.values[to.key("context_length")] = c.whole("max_position_embeddings").value_or(d.context);
  std::uint64_t head = heads == 0 ? 0 : width / heads;
  if (to.kind->parts.positions == position_kind::rotary) {
    to.values[to.key("attention.head_count_kv")] =
        whole_or(c, "num_key_value_heads", d.kv_heads != 0 ? d.kv_heads : heads, heads);
    head = whole_or(c, "head_dim", d.head_size != 0 ? d.head_size : head, head);
  }
  require<format_error>(head >= 2 && head % 2 == 0 && head <= 65536, "checkpoint: heads of ", head,
                        " elements, an even number expected");
  to.values[to.key("attention.key_length")] = head;
  to.head_size = static_cast<std::size_t>(head);
  if (const auto n = c.whole("vocab_size")) {
    to.values[to.key("vocab_size")] = *n;
    to.ids.size = *n;
  }
}

void require_value(json_ledger& c, const char* key, bool value) {
  require<format_error>(c.flag(key).value_or(value) == value, c.where(), ": '", key, "' must be ",
                        value ? "true" : "false");
}

void has_biases(checkpoint_config& to, std::initializer_list<projection> which) {
  for (const projection p : which) to.has_bias[p] = true;
}

// Which blocks have a window: by layer_types, or from max_window_layers on.
void read_window_pattern(json_ledger& c, checkpoint_config& to) {
  const auto layers =
      static_cast<std::size_t>(std::get<std::uint64_t>(to.values.at(to.key("block_count"))));
  const std::uint64_t full = c.whole("max_window_layers").value_or(defaults_of(to).full_layers);
  require<format_error>(layers <= 65536, c.where(), ": ", layers, " layers");
  std::vector<std::int64_t> pattern(layers);
  for (std::size_t l = 0; l < layers; ++l) pattern[l] = l >= full ? 1 : 0;
  if (const json* types = c.take("layer_types")) {
    require<format_error>(types->is_array() && types->size() == layers, c.where(),
                          ": 'layer_types' must be a list of ", layers, " kinds");
    for (std::size_t l = 0; l < layers; ++l) {
      const json& t = (*types)[l];
      require<format_error>(t == "full_attention" || t == "sliding_attention", c.where(),
                            ": 'layer_types' holds ",
                            t.dump(-1, ' ', false, json::error_handler_t::replace),
                            "; full_attention and sliding_attention are known");
      pattern[l] = t == "sliding_attention" ? 1 : 0;
    }
  }
  to.values[to.key("attention.sliding_window_pattern")] = std::move(pattern);
}

void read_windows(json_ledger& c, checkpoint_config& to) {
  const defaults& d = defaults_of(to);
  const std::string_view type = to.kind->model_type;
  const bool has_pattern = type == "qwen2" || type == "qwen3";
  const std::uint64_t given = whole_or(c, "sliding_window", d.window, 0);
  require<format_error>(given != 0 || c.take("sliding_window") == nullptr, c.where(),
                        ": 'sliding_window' is 0, null or a number of tokens expected");
  const bool used = has_pattern ? c.flag("use_sliding_window").value_or(false) : type == "mistral";
  // Llama's class reads no window; one that would matter is refused.
  if (!has_pattern) require_value(c, "use_sliding_window", false);
  if (type == "llama") {
    require<format_error>(
        given == 0 || given >= std::get<std::uint64_t>(to.values.at(to.key("context_length"))),
        c.where(), ": a sliding window of ", given, " tokens in a Llama");
  }
  if (has_pattern) read_window_pattern(c, to);
  if (used && given != 0)
    to.values[to.key("attention.sliding_window")] = given;
  else
    to.values.erase(to.key("attention.sliding_window_pattern"));
}

// Llama, Mistral, Qwen2 and Qwen3.
void read_rms_family(json_ledger& c, checkpoint_config& to) {
  using enum projection;
  const std::string act = c.text("hidden_act").value_or("silu");
  require<format_error>(act == "silu" || act == "swish", c.where(), ": hidden_act must be silu, ",
                        "got '", act, "'");
  to.values[to.key("attention.layer_norm_rms_epsilon")] = c.number("rms_norm_eps").value_or(1e-6);
  const bool attention = c.flag("attention_bias").value_or(false),
             mlp = c.flag("mlp_bias").value_or(false);
  const std::string_view type = to.kind->model_type;
  require<format_error>(!attention || type == "llama" || type == "qwen3", c.where(),
                        ": 'attention_bias' must be false in a ", type);
  require<format_error>(!mlp || type == "llama", c.where(), ": 'mlp_bias' must be false in a ",
                        type);
  if (attention || type == "qwen2") has_biases(to, {q, k, v});
  if (attention) has_biases(to, {o});
  if (mlp) has_biases(to, {gate, up, down});
  require_value(c, "rope_interleaved", false);
  require<format_error>(c.number("partial_rotary_factor").value_or(1.0) == 1.0, c.where(),
                        ": 'partial_rotary_factor' must be 1");
  read_rotary(c, to);
  read_windows(c, to);
}

// The 350m's norms behind the sums, and embeddings of another width, are refused.
void read_opt(json_ledger& c, checkpoint_config& to) {
  using enum projection;
  const std::string act = c.text("activation_function").value_or("relu");
  require<format_error>(act == "relu", c.where(), ": activation_function must be relu, got '", act,
                        "'");
  require<format_error>(c.flag("do_layer_norm_before").value_or(true), c.where(),
                        ": 'do_layer_norm_before' false, norms behind the sums as in OPT-350m, is "
                        "not supported");
  require_value(c, "_remove_final_layer_norm", false);
  require_value(c, "layer_norm_elementwise_affine", true);
  const std::uint64_t width = std::get<std::uint64_t>(to.values.at(to.key("embedding_length")));
  const std::uint64_t embeddings = c.whole("word_embed_proj_dim").value_or(width);
  require<format_error>(embeddings == width, c.where(), ": 'word_embed_proj_dim' ", embeddings,
                        " of a width of ", width, " is not supported");
  to.values[to.key("attention.layer_norm_epsilon")] = 1e-5;
  if (c.flag("enable_bias").value_or(true)) has_biases(to, {q, k, v, o, up, down});
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
  for (const char* key :
       {"is_encoder_decoder", "add_cross_attention", "cross_attention_hidden_size"})
    require_value(c, key, false);
  const bool is_opt = to.kind->parts.norm == norm_kind::layer;
  if (is_opt)
    read_opt(c, to);
  else
    read_rms_family(c, to);
  check_quantization(c);
  to.tied = c.flag("tie_word_embeddings").value_or(is_opt);
  if (const auto bos = read_ids(c, "bos_token_id"); !bos.empty()) to.ids.bos = bos.front();
  add_stops(c, to.ids);
  c.finish(harmless_config_keys());
  if (generation_config.empty()) return to;
  const json generation = parse_object(generation_config, "checkpoint: generation_config.json");
  json_ledger g(generation, "checkpoint: generation_config.json");
  add_stops(g, to.ids);
  g.finish(harmless_generation_keys());
  return to;
}

}  // namespace llama
