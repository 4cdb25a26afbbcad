// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything is put under the names that GGUF has for it, so that the rest of the program knows one
// kind of model file.
#include "files/checkpoint.hpp"

#include <bit>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "files/config.hpp"
#include "files/little_endian.hpp"
#include "files/safetensors.hpp"
#include "files/tokenizer_json.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using nlohmann::json;
using sparsellm::channel_order;
using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

namespace {

constexpr std::uint64_t largest_extent = std::uint64_t{1} << 40;

json parse(const std::string& text, const char* file) {
  json j = json::parse(text, nullptr, false);
  require<format_error>(j.is_object(), "checkpoint: ", file, " is not a JSON object");
  return j;
}

// A member that may be missing or null.
const json* member(const json& j, const char* key) {
  const auto at = j.find(key);
  return at == j.end() || at->is_null() ? nullptr : &*at;
}

double number(const json& j, const char* key) {
  const json* v = member(j, key);
  require<format_error>(v != nullptr && v->is_number(),
                        "checkpoint: config.json must have a number '", key, "'");
  return v->get<double>();
}

std::string gguf_name_of(const std::string& name) {
  static const std::map<std::string, std::string> whole{
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"}};
  static const std::map<std::string, std::string> parts = [] {
    std::map<std::string, std::string> all{{"input_layernorm", "attn_norm"},
                                           {"post_attention_layernorm", "ffn_norm"}};
    for (const projection p : projections) all.emplace(checkpoint_name(p), gguf_name(p));
    return all;
  }();
  if (const auto at = whole.find(name); at != whole.end()) return at->second;
  const std::string prefix = "model.layers.", suffix = ".weight";
  if (name.starts_with(prefix) && name.ends_with(suffix) &&
      name.size() > prefix.size() + suffix.size()) {
    const std::size_t dot = name.find('.', prefix.size());
    const std::string layer = name.substr(prefix.size(), dot - prefix.size());
    if (!layer.empty() && layer.find_first_not_of("0123456789") == std::string::npos &&
        dot + suffix.size() < name.size()) {
      const auto at = parts.find(name.substr(dot + 1, name.size() - suffix.size() - dot - 1));
      if (at != parts.end()) return "blk." + layer + "." + at->second + ".weight";
    }
  }
  raise<format_error>(concat("checkpoint: the tensor '", name,
                             "' is not one of a Llama without biases, float or pruned"));
}

tensor_type type_of(element e, const std::string& name) {
  require<format_error>(e == element::f32 || e == element::f16 || e == element::bf16,
                        "checkpoint: tensor '", name, "' must be F32, F16 or BF16");
  return e == element::f32   ? tensor_type::f32
         : e == element::f16 ? tensor_type::f16
                             : tensor_type::bf16;
}

tensor dense_tensor(const std::string& name, const safetensor& s) {
  require<format_error>((s.shape.size() == 1 || s.shape.size() == 2) && s.elements != 0,
                        "checkpoint: tensor '", name, "' must have 1 or 2 extents, none of them 0");
  tensor t{gguf_name_of(name),           type_of(s.type, name), 1, s.shape.back(), s.data,
           s.elements * bytes_of(s.type)};
  if (s.shape.size() == 2) t.rows = s.shape.front();
  return t;
}

// The parts of a compressed tensor.
struct compressed_parts {
  const safetensor *values = nullptr, *mask = nullptr, *shape = nullptr, *offsets = nullptr;
};

tensor sparse_tensor(const std::string& name, const compressed_parts& p) {
  require<format_error>(p.values != nullptr && p.mask != nullptr && p.shape != nullptr,
                        "checkpoint: '", name, "' lacks compressed, bitmask or shape");
  require<format_error>(p.shape->type == element::i64 && p.shape->elements == 2, "checkpoint: '",
                        name, ".shape' must be two I64");
  const std::uint64_t rows = read_little_endian<std::uint64_t>(p.shape->data),
                      cols = read_little_endian<std::uint64_t>(p.shape->data + 8);
  require<format_error>(rows >= 1 && cols >= 1 && rows <= largest_extent && cols <= largest_extent,
                        "checkpoint: '", name, "' has the shape ", rows, "x", cols);
  const std::size_t mask_bytes = static_cast<std::size_t>((cols + 7) / 8);
  require<format_error>(p.mask->type == element::u8 && p.mask->shape.size() == 2 &&
                            p.mask->shape[0] == rows && p.mask->shape[1] == mask_bytes,
                        "checkpoint: '", name, ".bitmask' must be ", rows, "x", mask_bytes, " U8");
  tensor t{gguf_name_of(name + ".weight"),
           type_of(p.values->type, name),
           static_cast<std::size_t>(rows),
           static_cast<std::size_t>(cols),
           p.values->data,
           p.values->elements * bytes_of(p.values->type)};
  t.mask = p.mask->data;
  t.starts.reserve(t.rows + 1);
  std::uint64_t at = 0;
  for (std::size_t r = 0; r < t.rows; ++r) {
    t.starts.push_back(at);
    const std::byte* const bits = t.mask + r * mask_bytes;
    for (std::size_t i = 0; i < mask_bytes; ++i)
      at += static_cast<std::uint64_t>(std::popcount(std::to_integer<unsigned>(bits[i])));
    require<format_error>(
        cols % 8 == 0 || std::to_integer<unsigned>(bits[mask_bytes - 1]) >> (cols % 8) == 0,
        "checkpoint: '", name, ".bitmask' has bits after column ", cols - 1, " of row ", r);
  }
  t.starts.push_back(at);
  require<format_error>(at == p.values->elements, "checkpoint: '", name, "' has ",
                        p.values->elements, " values for ", at, " bits of its mask");
  if (p.offsets != nullptr) {
    require<format_error>(p.offsets->type == element::i64 && p.offsets->elements == rows,
                          "checkpoint: '", name, ".row_offsets' must be ", rows, " I64");
    for (std::size_t r = 0; r < t.rows; ++r)
      require<format_error>(
          read_little_endian<std::uint64_t>(p.offsets->data + 8 * r) == t.starts[r],
          "checkpoint: '", name, ".row_offsets' of row ", r, " is not what the mask says");
  }
  return t;
}

// "a.b.compressed" or "a.b.weight.compressed" -> "a.b".
std::optional<std::string> compressed_name(const std::string& name, const char* part) {
  const std::string end = std::string(".") + part;
  if (!name.ends_with(end)) return std::nullopt;
  std::string base = name.substr(0, name.size() - end.size());
  if (base.ends_with(".weight")) base.resize(base.size() - 7);
  return base;
}

channel_order read_order(const json& j) {
  if (j.is_null()) return {};
  require<format_error>(j.is_array(), "checkpoint: an order is not an array");
  std::vector<std::uint32_t> at;
  at.reserve(j.size());
  for (const json& c : j) {
    require<format_error>(c.is_number_unsigned() && c.get<std::uint64_t>() < j.size(),
                          "checkpoint: an order of ", j.size(), " channels holds something else");
    at.push_back(c.get<std::uint32_t>());
  }
  try {
    return channel_order(std::move(at));
  } catch (const sparsellm::value_error& e) {
    raise<format_error>(concat("checkpoint: ", e.what()));
  }
}

std::vector<block_orders> read_orders(const std::string& text) {
  const json j = json::parse(text, nullptr, false);
  require<format_error>(j.is_object() && j.contains("version") && j["version"] == 1,
                        "checkpoint: version 1 of the sparsellm metadata expected");
  std::vector<block_orders> orders;
  const json* all = member(j, "orders");
  if (all == nullptr) return orders;
  require<format_error>(all->is_array(), "checkpoint: the orders are not an array");
  for (const json& block : *all) {
    require<format_error>(block.is_object(), "checkpoint: a block's orders are not an object");
    orders.emplace_back();
    for (const activation_site site : activation_sites)
      orders.back()[site] = read_order(block.value(name(site), json()));
  }
  return orders;
}

}  // namespace

void checkpoint::read_config(const checkpoint_texts& texts) {
  const json c = parse(texts.config, "config.json");
  const json* type = member(c, "model_type");
  require<format_error>(type != nullptr && type->is_string(),
                        "checkpoint: config.json has no model_type");
  add("general.architecture", type->get<std::string>());
  const json* name = member(c, "_name_or_path");
  add("general.name", name != nullptr && name->is_string() && !name->get<std::string>().empty()
                          ? name->get<std::string>()
                          : texts.name);
  const auto size = [&](const char* key, const char* to) {
    const json* v = member(c, key);
    require<format_error>(v != nullptr && v->is_number_unsigned(),
                          "checkpoint: config.json must have a whole number '", key, "'");
    add(std::string("llama.") + to, v->get<std::uint64_t>());
  };
  size("num_hidden_layers", "block_count");
  size("hidden_size", "embedding_length");
  size("intermediate_size", "feed_forward_length");
  size("num_attention_heads", "attention.head_count");
  if (member(c, "num_key_value_heads") != nullptr)
    size("num_key_value_heads", "attention.head_count_kv");
  size("max_position_embeddings", "context_length");
  if (member(c, "head_dim") != nullptr) size("head_dim", "attention.key_length");
  add("llama.attention.layer_norm_rms_epsilon", number(c, "rms_norm_eps"));
  const json* act = member(c, "hidden_act");
  require<format_error>(act == nullptr || *act == "silu", "checkpoint: hidden_act must be silu");
  for (const char* bias : {"attention_bias", "mlp_bias"})
    require<format_error>(member(c, bias) == nullptr || *member(c, bias) == false, "checkpoint: '",
                          bias, "' must be false");

  const double base = member(c, "rope_theta") != nullptr ? number(c, "rope_theta") : 10000.0;
  add("llama.rope.freq_base", base);
  const json* scaling = member(c, "rope_scaling");
  if (scaling == nullptr) return;
  require<format_error>(scaling->is_object(), "checkpoint: rope_scaling is not an object");
  const json* kind = member(*scaling, "rope_type");
  if (kind == nullptr) kind = member(*scaling, "type");
  if (kind == nullptr || *kind == "default") return;
  if (*kind == "linear") {
    add("llama.rope.scaling.type", std::string("linear"));
    add("llama.rope.scaling.factor", number(*scaling, "factor"));
    return;
  }
  require<format_error>(*kind == "llama3", "checkpoint: rope_scaling must be linear or llama3");
  const llama3_scaling llama3{number(*scaling, "factor"), number(*scaling, "low_freq_factor"),
                              number(*scaling, "high_freq_factor"),
                              number(*scaling, "original_max_position_embeddings")};
  require<format_error>(llama3.factor > 0 && llama3.low_frequency > 0 &&
                            llama3.high_frequency > llama3.low_frequency && llama3.context > 0 &&
                            base > 1,
                        "checkpoint: rope_scaling's numbers do not fit together");
  const std::vector<float> divisors = rope_divisors(llama3, base, head_size());
  for (const float d : divisors)
    for (const std::byte b : little_endian_bytes(d)) rope_divisors_.push_back(b);
  add(tensor{"rope_freqs.weight", tensor_type::f32, 1, divisors.size(), rope_divisors_.data(),
             rope_divisors_.size()});
}

std::size_t checkpoint::head_size() const {
  const std::uint64_t heads = whole("llama.attention.head_count");
  const std::uint64_t size =
      whole("llama.attention.key_length", heads == 0 ? 0 : whole("llama.embedding_length") / heads);
  require<format_error>(size >= 2 && size % 2 == 0 && size <= 65536, "checkpoint: heads of ", size,
                        " elements, an even number expected");
  return static_cast<std::size_t>(size);
}

checkpoint::checkpoint(const checkpoint_texts& texts, const std::vector<bytes_view>& shards)
    : model_file("checkpoint") {
  read_config(texts);
  for (auto& [key, value] :
       read_tokenizer_json(texts.tokenizer, texts.tokenizer_config, texts.config))
    add(key, std::move(value));

  std::vector<safetensors> files;
  files.reserve(shards.size());
  for (const bytes_view& s : shards) files.emplace_back(s.data, s.size);
  const auto keep = [&](tensor t) {
    if (t.name.ends_with("attn_q.weight") || t.name.ends_with("attn_k.weight")) {
      require<format_error>(t.rows % head_size() == 0, "checkpoint: '", t.name, "' has ", t.rows,
                            " rows, not a multiple of a head's ", head_size());
      t.split_head = head_size();
    }
    add(std::move(t));
  };
  const json config = parse(texts.config, "config.json");
  const json* tied = member(config, "tie_word_embeddings");
  std::map<std::string, compressed_parts> compressed;
  for (const safetensors& f : files) {
    for (const auto& [name, t] : f.tensors()) {
      if (name.ends_with(".rotary_emb.inv_freq")) continue;  // derived, in old checkpoints
      if (name == "lm_head.weight" && tied != nullptr && *tied == true) continue;
      const std::pair<const char*, const safetensor * compressed_parts::*> parts[] = {
          {"compressed", &compressed_parts::values},
          {"bitmask", &compressed_parts::mask},
          {"shape", &compressed_parts::shape},
          {"row_offsets", &compressed_parts::offsets}};
      bool taken = false;
      for (const auto& [part, place] : parts)
        if (const auto base = compressed_name(name, part)) {
          compressed[*base].*place = &t;
          taken = true;
        }
      if (!taken) keep(dense_tensor(name, t));
    }
    const auto at = f.metadata().find(sparsellm_metadata);
    if (at != f.metadata().end()) set_orders(read_orders(at->second));
  }
  for (const auto& [name, parts] : compressed) keep(sparse_tensor(name, parts));
  require<format_error>(orders().empty() || orders().size() == whole("llama.block_count"),
                        "checkpoint: orders for ", orders().size(), " of ",
                        whole("llama.block_count"), " blocks");
}

}  // namespace llama
