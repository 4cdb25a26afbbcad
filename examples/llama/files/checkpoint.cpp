// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything is put under the names that GGUF has for it, so that the rest of the program knows one
// kind of model file.
#include "files/checkpoint.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "files/checkpoint_config.hpp"
#include "files/config.hpp"
#include "files/little_endian.hpp"
#include "files/safetensors.hpp"
#include "files/tensor_names.hpp"
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

// A member that may be missing or null.
const json* member(const json& j, const char* key) {
  const auto at = j.find(key);
  return at == j.end() || at->is_null() ? nullptr : &*at;
}

std::string known_name(const family& kind, const std::string& name) {
  const auto known = gguf_name_of(kind, name);
  if (!known.has_value())
    raise<format_error>(concat("checkpoint: the tensor '", name, "' is not one of a ",
                               kind.class_name, ", float or pruned"));
  return *known;
}

tensor_type type_of(element e, const std::string& name) {
  require<format_error>(e == element::f32 || e == element::f16 || e == element::bf16,
                        "checkpoint: tensor '", name, "' must be F32, F16 or BF16");
  return e == element::f32   ? tensor_type::f32
         : e == element::f16 ? tensor_type::f16
                             : tensor_type::bf16;
}

tensor dense_tensor(const family& kind, const std::string& name, const safetensor& s) {
  require<format_error>((s.shape.size() == 1 || s.shape.size() == 2) && s.elements != 0,
                        "checkpoint: tensor '", name, "' must have 1 or 2 extents, none of them 0");
  tensor t{known_name(kind, name),       type_of(s.type, name), 1, s.shape.back(), s.data,
           s.elements * bytes_of(s.type)};
  if (s.shape.size() == 2) t.rows = s.shape.front();
  return t;
}

// The parts of a compressed tensor.
struct compressed_parts {
  const safetensor *values = nullptr, *mask = nullptr, *shape = nullptr, *offsets = nullptr;
};

tensor sparse_tensor(const family& kind, const std::string& name, const compressed_parts& p) {
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
  tensor t{known_name(kind, name + ".weight"),
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

// transformers ties the head to the embedding table, from whichever of the two is there.
void tie_head(std::map<std::string, safetensor>& all, const checkpoint_config& c) {
  const std::string head_name = "lm_head.weight",
                    table_name = checkpoint_name_of(*c.kind, "token_embd.weight");
  const auto head = all.find(head_name), table = all.find(table_name);
  if (!c.tied) {
    require<format_error>(head != all.end() || table == all.end(), "checkpoint: ", head_name,
                          " is missing, and config.json says tie_word_embeddings false");
    return;
  }
  if (head == all.end()) return;
  if (table == all.end()) {
    all.emplace(table_name, head->second);
  } else {
    const std::size_t bytes = head->second.elements * bytes_of(head->second.type);
    require<format_error>(head->second.type == table->second.type &&
                              head->second.shape == table->second.shape &&
                              std::memcmp(head->second.data, table->second.data, bytes) == 0,
                          "checkpoint: config.json says tie_word_embeddings true, and ", head_name,
                          " is another than ", table_name);
  }
  all.erase(head_name);
}

}  // namespace

std::string checkpoint::name_in_file(const std::string& name) const {
  return checkpoint_name_of(*kind_, name);
}

checkpoint::checkpoint(const checkpoint_texts& texts, const std::vector<bytes_view>& shards)
    : model_file("checkpoint") {
  checkpoint_config c = read_checkpoint_config(texts.config, texts.generation_config, texts.name);
  kind_ = c.kind;
  for (auto& [key, value] : c.values) add(key, std::move(value));
  if (c.scaling.has_value()) {
    const std::vector<float> divisors = llama3_divisors(*c.scaling, c.rotary_base, c.head_size);
    for (const float d : divisors)
      for (const std::byte b : little_endian_bytes(d)) rope_divisors_.push_back(b);
    add(tensor{"rope_freqs.weight", tensor_type::f32, 1, divisors.size(), rope_divisors_.data(),
               rope_divisors_.size()});
  }
  vocabulary_ = read_tokenizer_json(texts.tokenizer, texts.tokenizer_config, c.ids);
  add("tokenizer.ggml.model", vocabulary_.model);
  add("tokenizer.ggml.pre", vocabulary_.pre);
  read_tensors(shards, c);
}

// All shards together, by name, so that a model is the same however its tensors are divided.
void checkpoint::read_tensors(const std::vector<bytes_view>& shards, const checkpoint_config& c) {
  std::map<std::string, safetensor> all;
  for (const bytes_view& s : shards) {
    const safetensors file(s.data, s.size);
    for (const auto& [name, t] : file.tensors())
      require<format_error>(all.emplace(name, t).second, "checkpoint: the tensor '", name,
                            "' is there twice");
    const auto at = file.metadata().find(sparsellm_metadata);
    if (at != file.metadata().end()) set_orders(read_orders(at->second));
  }
  tie_head(all, c);
  std::map<std::string, compressed_parts> compressed;
  for (const auto& [name, t] : all) {
    if (name.ends_with(".rotary_emb.inv_freq")) continue;  // derived, in old checkpoints
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
    if (!taken) add(dense_tensor(*kind_, name, t));
  }
  for (const auto& [name, parts] : compressed) add(sparse_tensor(*kind_, name, parts));
  if (kind_->parts.positions == position_kind::rotary) split_heads(c.head_size);
  check_biases(c);
  const std::uint64_t layers = whole(c.key("block_count"));
  require<format_error>(orders().empty() || orders().size() == layers, "checkpoint: orders for ",
                        orders().size(), " of ", layers, " blocks");
}

// config.json says which projections have a bias; transformers would make up one that is missing,
// and drop one that is too many.
void checkpoint::check_biases(const checkpoint_config& c) const {
  const std::uint64_t layers = whole(c.key("block_count"));
  for (const projection p : projections) {
    const std::string name = "blk.0." + gguf_name(p) + ".bias";
    const bool there = layers != 0 && find(name) != nullptr;
    require<format_error>(there == c.has_bias[p], "checkpoint: '", name_in_file(name), "' is ",
                          there ? "there, and config.json says that there is no such bias"
                                : "missing, and config.json says that there is such a bias");
  }
}

}  // namespace llama
