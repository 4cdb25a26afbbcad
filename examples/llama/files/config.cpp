// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys as llama.cpp's converter writes them.
#include "files/config.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <tuple>

#include "files/known_keys.hpp"
#include "files/utf8.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

std::size_t config::channels_of(activation_site site) const noexcept {
  return site == activation_site::attention_output ? query_width()
         : site == activation_site::mlp_hidden     ? hidden
                                                   : width;
}

sparsellm::extents config::extents_of(projection p) const noexcept {
  const std::size_t outputs = p == projection::q                             ? query_width()
                              : p == projection::k || p == projection::v     ? kv_width()
                              : p == projection::gate || p == projection::up ? hidden
                                                                             : width;
  return {outputs, channels_of(site_of(p))};
}

const tensor& weight_of(const model_file& file, const config& c, std::size_t layer, projection p) {
  const sparsellm::extents e = c.extents_of(p);
  return file.tensor_of("blk." + std::to_string(layer) + "." + gguf_name(p) + ".weight", e.outputs,
                        e.inputs);
}

std::vector<float> rope_divisors(const llama3_scaling& s, double base, std::size_t head_size) {
  std::vector<float> divisors;
  for (std::size_t i = 0; i < head_size; i += 2) {
    const double frequency =
        std::pow(base, -static_cast<double>(i) / static_cast<double>(head_size));
    const double turns = s.context * frequency / (2 * 3.14159265358979323846);
    const double share =
        std::clamp((turns - s.low_frequency) / (s.high_frequency - s.low_frequency), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1.0 / ((1.0 - share) / s.factor + share)));
  }
  return divisors;
}

void check_architecture(const model_file& file) {
  const std::string architecture = file.text("general.architecture");
  require<format_error>(architecture == "llama", "model: the architecture llama expected, got '",
                        architecture, "'");
  const std::string type = file.text("general.type", "model");
  require<format_error>(type == "model", "model: the file is of the type '", type,
                        "', 'model' expected");
  const std::uint64_t experts = file.whole("llama.expert_count", 0);
  require<format_error>(experts == 0, "model: a mixture of ", experts,
                        " experts (llama.expert_count), which is not supported");
}

namespace {

void check_keys(const model_file& file) {
  const auto read = read_metadata_keys();
  std::vector<std::string> unknown;
  for (const auto& [key, value] : file.values())
    if (std::find(read.begin(), read.end(), key) == read.end() &&
        find_key(harmless_metadata_keys(), key) == nullptr)
      unknown.push_back(key);
  if (unknown.empty()) return;
  raise<format_error>(concat("model: the metadata's '",
                             *std::min_element(unknown.begin(), unknown.end()),
                             "' is not known here; what it asks for would be left out, so the file "
                             "is refused"));
}

// What would change logits, where it says something else than is computed.
void check_choices(const model_file& file, const config& c) {
  const auto flag = [&](const char* key, bool supported) {
    require<format_error>(file.flag(key, supported) == supported, "model: '", key,
                          supported ? "' false is not supported" : "' true is not supported");
  };
  flag("llama.attention.causal", true);
  flag("llama.use_parallel_residual", false);
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_size));
  const std::tuple<const char*, double, double> numbers[] = {
      {"llama.attention.max_alibi_bias", 0.0, 0.0}, {"llama.attention.clamp_kqv", 0.0, 0.0},
      {"llama.attention.scale", 0.0, scale},        {"llama.logit_scale", 0.0, 1.0},
      {"llama.residual_scale", 0.0, 1.0},           {"llama.embedding_scale", 0.0, 1.0},
      {"llama.rope.scaling.attn_factor", 1.0, 1.0}};
  for (const auto& [key, none, same] : numbers) {
    const double n = file.real(key, none);
    require<format_error>(n == none || std::fabs(n - same) <= 1e-6 * same, "model: '", key, "' ", n,
                          " is not supported");
  }
  const std::uint64_t window = file.whole("llama.attention.sliding_window", 0);
  require<format_error>(window == 0 || window >= c.context, "model: a sliding window of ", window,
                        " tokens is not supported");
  const std::string layout = file.text("llama.tensor_data_layout", "Meta AI original pth");
  require<format_error>(layout == "Meta AI original pth", "model: the tensor layout '", layout,
                        "' is not known");
}

}  // namespace

config read_config(const model_file& file) {
  check_architecture(file);
  const auto size = [&](const char* key) {
    const std::uint64_t n = file.whole(std::string("llama.") + key);
    require<format_error>(n >= 1 && n <= (1u << 24), "model: llama.", key, " is ", n);
    return static_cast<std::size_t>(n);
  };
  const auto size_or = [&](const char* key, std::size_t otherwise) {
    return file.value(std::string("llama.") + key) != nullptr ? size(key) : otherwise;
  };
  config c{};
  c.name = valid_utf8(file.text("general.name", "unnamed"));
  c.layers = size("block_count");
  c.width = size("embedding_length");
  c.hidden = size("feed_forward_length");
  c.heads = size("attention.head_count");
  c.kv_heads = size_or("attention.head_count_kv", c.heads);
  c.context = size("context_length");
  require<format_error>(c.heads % c.kv_heads == 0, "model: ", c.heads, " heads cannot share ",
                        c.kv_heads, " key-value heads");
  c.head_size = size_or("attention.key_length", c.width / c.heads);
  require<format_error>(c.head_size != 0 && c.head_size % 2 == 0,
                        "model: heads of an even size expected, got ", c.head_size);
  const std::size_t value_size = size_or("attention.value_length", c.head_size);
  require<format_error>(value_size == c.head_size, "model: heads of ", c.head_size,
                        " have values of ", value_size, ", which is not supported");
  c.rotary_size = size_or("rope.dimension_count", c.head_size);
  require<format_error>(c.rotary_size == c.head_size, "model: rotary embedding over ",
                        c.rotary_size, " of ", c.head_size, " is not supported");
  c.rotary_base = file.real("llama.rope.freq_base", 10000.0);
  require<format_error>(c.rotary_base > 1.0, "model: rotary base ", c.rotary_base);
  const std::string scaling = file.text("llama.rope.scaling.type", "linear");
  require<format_error>(scaling == "none" || scaling == "linear", "model: rotary scaling '",
                        scaling, "'; none, linear and Llama 3's are known");
  const double factor =
      file.real("llama.rope.scaling.factor", file.real("llama.rope.scale_linear", 0.0));
  c.rotary_scale = scaling == "linear" && factor != 0.0 ? factor : 1.0;
  require<format_error>(c.rotary_scale > 0.0 && std::isfinite(c.rotary_scale),
                        "model: rotary scaling factor ", c.rotary_scale);
  const double epsilon = file.real("llama.attention.layer_norm_rms_epsilon");
  require<format_error>(epsilon >= 0.0 && epsilon < 1.0, "model: norm epsilon ", epsilon);
  c.norm_epsilon = static_cast<float>(epsilon);
  check_choices(file, c);
  check_keys(file);
  const tensor* embedding = file.find("token_embd.weight");
  require<format_error>(embedding != nullptr && embedding->cols == c.width,
                        "model: ", file.name_in_file("token_embd.weight"), " is missing or not ",
                        c.width, " wide");
  c.vocabulary = embedding->rows;
  const std::uint64_t tokens = file.whole("llama.vocab_size", c.vocabulary);
  require<format_error>(tokens == c.vocabulary, "model: a vocabulary of ", tokens, " tokens and ",
                        c.vocabulary, " embeddings");
  return c;
}

void check_tensors(const model_file& file, const config& c) {
  std::set<std::string> expected{"token_embd.weight", "output_norm.weight"};
  (void)file.tensor_of("output_norm.weight", 1, c.width);
  if (file.find("output.weight") != nullptr) {  // else tied
    (void)file.tensor_of("output.weight", c.vocabulary, c.width);
    expected.insert("output.weight");
  }
  if (file.find("rope_freqs.weight") != nullptr) {
    (void)file.tensor_of("rope_freqs.weight", 1, c.rotary_size / 2);
    expected.insert("rope_freqs.weight");
  }
  for (std::size_t l = 0; l < c.layers; ++l) {
    const std::string block = "blk." + std::to_string(l) + ".";
    for (const char* norm : {"attn_norm.weight", "ffn_norm.weight"})
      expected.insert(file.tensor_of(block + norm, 1, c.width).name);
    for (const projection p : projections) expected.insert(weight_of(file, c, l, p).name);
  }
  for (const tensor& t : file.tensors()) {
    if (expected.count(t.name) != 0) continue;
    const bool outside =
        t.name.starts_with("blk.") && std::strtoull(t.name.c_str() + 4, nullptr, 10) >= c.layers;
    raise<format_error>(
        concat("model: the tensor '", file.name_in_file(t.name), "' is ",
               outside ? concat("of a block beyond the ", c.layers, " that there are")
               : t.name.ends_with(".bias")
                   ? std::string("a bias, which is not supported")
                   : std::string("not one of a Llama; what it does would be left out")));
  }
}

}  // namespace llama
