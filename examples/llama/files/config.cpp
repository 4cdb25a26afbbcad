// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys as llama.cpp's converter writes them.
#include "files/config.hpp"

#include <algorithm>
#include <cmath>

#include "sparsellm/core/error.hpp"

namespace llama {

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

config read_config(const model_file& file) {
  using sparsellm::format_error;
  using sparsellm::require;
  const std::string architecture = file.text("general.architecture");
  require<format_error>(architecture == "llama", "model: the architecture llama expected, got '",
                        architecture, "'");
  const auto size = [&](const char* key) {
    const std::uint64_t n = file.whole(std::string("llama.") + key);
    require<format_error>(n >= 1 && n <= (1u << 24), "model: llama.", key, " is ", n);
    return static_cast<std::size_t>(n);
  };
  config c{};
  c.name = file.text("general.name", "unnamed");
  c.layers = size("block_count");
  c.width = size("embedding_length");
  c.hidden = size("feed_forward_length");
  c.heads = size("attention.head_count");
  c.kv_heads = file.value("llama.attention.head_count_kv") != nullptr
                   ? size("attention.head_count_kv")
                   : c.heads;
  c.context = size("context_length");
  require<format_error>(c.heads % c.kv_heads == 0, "model: ", c.heads, " heads cannot share ",
                        c.kv_heads, " key-value heads");
  c.head_size = file.value("llama.attention.key_length") != nullptr ? size("attention.key_length")
                                                                    : c.width / c.heads;
  require<format_error>(c.head_size != 0 && c.head_size % 2 == 0,
                        "model: heads of an even size expected, got ", c.head_size);
  c.rotary_size = file.value("llama.rope.dimension_count") != nullptr ? size("rope.dimension_count")
                                                                      : c.head_size;
  require<format_error>(c.rotary_size % 2 == 0 && c.rotary_size <= c.head_size,
                        "model: rotary embedding over ", c.rotary_size, " of ", c.head_size);
  c.rotary_base = file.real("llama.rope.freq_base", 10000.0);
  require<format_error>(c.rotary_base > 1.0, "model: rotary base ", c.rotary_base);
  const std::string scaling = file.text("llama.rope.scaling.type", "none");
  require<format_error>(scaling == "none" || scaling == "linear", "model: rotary scaling '",
                        scaling, "'; none, linear and Llama 3's are known");
  c.rotary_scale = scaling == "linear" ? file.real("llama.rope.scaling.factor") : 1.0;
  require<format_error>(c.rotary_scale > 0.0, "model: rotary scaling factor ", c.rotary_scale);
  const double epsilon = file.real("llama.attention.layer_norm_rms_epsilon");
  require<format_error>(epsilon >= 0.0 && epsilon < 1.0, "model: norm epsilon ", epsilon);
  c.norm_epsilon = static_cast<float>(epsilon);
  const tensor* embedding = file.find("token_embd.weight");
  require<format_error>(embedding != nullptr && embedding->cols == c.width,
                        "model: token_embd.weight is missing or not ", c.width, " wide");
  c.vocabulary = embedding->rows;
  return c;
}

}  // namespace llama
