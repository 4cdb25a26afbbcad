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

namespace {

// OPT's table has two rows for padding before the first token's.
constexpr std::size_t learned_position_offset = 2;

}  // namespace

std::size_t config::channels_of(activation_site site) const noexcept {
  return site == activation_site::attention_output ? query_width()
         : site == activation_site::mlp_hidden     ? hidden
                                                   : width;
}

std::size_t config::index_of(projection p) const noexcept {
  const std::span<const projection> all = projections();
  return static_cast<std::size_t>(std::find(all.begin(), all.end(), p) - all.begin());
}

sparsellm::extents config::extents_of(projection p) const noexcept {
  const std::size_t outputs = p == projection::q                             ? query_width()
                              : p == projection::k || p == projection::v     ? kv_width()
                              : p == projection::gate || p == projection::up ? hidden
                                                                             : width;
  return {outputs, channels_of(site_of(p))};
}

std::size_t config::first_output_of(projection p) const noexcept {
  std::size_t first = 0;
  for (const projection before : readers(site_of(p)).first(place_of(p)))
    first += extents_of(before).outputs;
  return first;
}

const tensor& weight_of(const model_file& file, const config& c, std::size_t layer, projection p) {
  const sparsellm::extents e = c.extents_of(p);
  return file.tensor_of("blk." + std::to_string(layer) + "." + gguf_name(p) + ".weight", e.outputs,
                        e.inputs);
}

void check_architecture(const model_file& file) {
  const std::string architecture = file.text("general.architecture");
  require<format_error>(family_of_architecture(architecture) != nullptr,
                        "model: the architecture llama, qwen2 or qwen3 expected, got '",
                        architecture, "'");
  const std::string type = file.text("general.type", "model");
  require<format_error>(type == "model", "model: the file is of the type '", type,
                        "', 'model' expected");
  const std::uint64_t experts = file.whole(architecture + ".expert_count", 0);
  require<format_error>(experts == 0, "model: a mixture of ", experts, " experts (", architecture,
                        ".expert_count), which is not supported");
}

namespace {

void check_keys(const model_file& file, const std::string& architecture) {
  const auto read = read_metadata_keys();
  std::vector<std::string> unknown;
  for (const auto& [key, value] : file.values()) {
    const std::string listed = as_listed(key, architecture);
    if (std::find(read.begin(), read.end(), listed) == read.end() &&
        find_key(harmless_metadata_keys(), listed) == nullptr)
      unknown.push_back(key);
  }
  if (unknown.empty()) return;
  raise<format_error>(concat("model: the metadata's '",
                             *std::min_element(unknown.begin(), unknown.end()),
                             "' is not known here; what it asks for would be left out, so the file "
                             "is refused"));
}

// What would change logits, where it says something else than is computed.
void check_choices(const model_file& file, const config& c) {
  const std::string prefix = c.architecture + ".";
  const auto flag = [&](const char* key, bool supported) {
    require<format_error>(file.flag(prefix + key, supported) == supported, "model: '", prefix, key,
                          supported ? "' false is not supported" : "' true is not supported");
  };
  flag("attention.causal", true);
  flag("use_parallel_residual", false);
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_size));
  const std::tuple<const char*, double, double> numbers[] = {
      {"attention.max_alibi_bias", 0.0, 0.0}, {"attention.clamp_kqv", 0.0, 0.0},
      {"attention.scale", 0.0, scale},        {"logit_scale", 0.0, 1.0},
      {"residual_scale", 0.0, 1.0},           {"embedding_scale", 0.0, 1.0}};
  for (const auto& [key, none, same] : numbers) {
    const double n = file.real(prefix + key, none);
    require<format_error>(n == none || std::fabs(n - same) <= 1e-6 * same, "model: '", prefix, key,
                          "' ", n, " is not supported");
  }
  const std::string layout = file.text(prefix + "tensor_data_layout", "Meta AI original pth");
  require<format_error>(layout == "Meta AI original pth", "model: the tensor layout '", layout,
                        "' is not known");
}

// The window of every block: of all, or of those that the pattern marks.
std::vector<std::size_t> read_windows(const model_file& file, const config& c) {
  const std::string key = c.architecture + ".attention.sliding_window";
  const std::uint64_t window = file.whole(key, 0);
  // One that no text reaches is none.
  std::vector<std::size_t> windows(c.layers,
                                   window < c.context ? static_cast<std::size_t>(window) : 0);
  if (file.value(key + "_pattern") == nullptr) return windows;
  const auto& pattern = file.array<std::int64_t>(key + "_pattern");
  require<format_error>(pattern.size() == c.layers, "model: '", key, "_pattern' is of ",
                        pattern.size(), " of ", c.layers, " blocks");
  for (std::size_t l = 0; l < c.layers; ++l)
    if (pattern[l] == 0) windows[l] = 0;
  return windows;
}

float read_epsilon(const model_file& file, const config& c) {
  const double epsilon = file.real(c.architecture + (c.parts.norm == norm_kind::rms
                                                         ? ".attention.layer_norm_rms_epsilon"
                                                         : ".attention.layer_norm_epsilon"));
  require<format_error>(epsilon >= 0.0 && epsilon < 1.0, "model: norm epsilon ", epsilon);
  return static_cast<float>(epsilon);
}

void read_heads(const model_file& file, config& c) {
  const std::string prefix = c.architecture + ".attention.";
  const auto size = [&](const char* key, std::size_t otherwise) {
    const std::uint64_t n = file.whole(prefix + key, otherwise);
    require<format_error>(n >= 1 && n <= (1u << 24), "model: ", prefix, key, " is ", n);
    return static_cast<std::size_t>(n);
  };
  c.kv_heads = size("head_count_kv", c.heads);
  require<format_error>(c.heads % c.kv_heads == 0, "model: ", c.heads, " heads cannot share ",
                        c.kv_heads, " key-value heads");
  c.head_size = size("key_length", std::max<std::size_t>(c.width / c.heads, 1));
  require<format_error>(c.head_size % 2 == 0, "model: heads of an even size expected, got ",
                        c.head_size);
  const std::size_t value_size = size("value_length", c.head_size);
  require<format_error>(value_size == c.head_size, "model: heads of ", c.head_size,
                        " have values of ", value_size, ", which is not supported");
}

std::string in_block(std::size_t layer, const std::string& name) {
  return "blk." + std::to_string(layer) + "." + name;
}

}  // namespace

config read_config(const model_file& file) {
  check_architecture(file);
  config c{};
  c.architecture = file.text("general.architecture");
  c.parts = family_of_architecture(c.architecture)->parts;
  const auto size = [&](const char* key) {
    const std::uint64_t n = file.whole(c.architecture + "." + key);
    require<format_error>(n >= 1 && n <= (1u << 24), "model: ", c.architecture, ".", key, " is ",
                          n);
    return static_cast<std::size_t>(n);
  };
  c.name = valid_utf8(file.text("general.name", "unnamed"));
  c.layers = size("block_count");
  c.width = size("embedding_length");
  c.hidden = size("feed_forward_length");
  c.heads = size("attention.head_count");
  c.context = size("context_length");
  read_heads(file, c);
  if (c.parts.positions == position_kind::rotary)
    c.rotation = read_rotary(file, c.architecture, c.head_size, c.context);
  else
    c.position_offset = learned_position_offset;
  c.norm_epsilon = read_epsilon(file, c);
  c.windows = read_windows(file, c);
  check_choices(file, c);
  check_keys(file, c.architecture);
  for (const projection p : c.projections())
    c.has_bias[p] = file.find(in_block(0, gguf_name(p) + ".bias")) != nullptr;
  const tensor* embedding = file.find("token_embd.weight");
  require<format_error>(embedding != nullptr && embedding->cols == c.width,
                        "model: ", file.name_in_file("token_embd.weight"), " is missing or not ",
                        c.width, " wide");
  c.vocabulary = embedding->rows;
  const std::uint64_t tokens = file.whole(c.architecture + ".vocab_size", c.vocabulary);
  require<format_error>(tokens == c.vocabulary, "model: a vocabulary of ", tokens, " tokens and ",
                        c.vocabulary, " embeddings");
  return c;
}

void check_tensors(const model_file& file, const config& c) {
  std::set<std::string> expected;
  const auto expect = [&](const std::string& name, std::size_t rows, std::size_t cols) {
    expected.insert(file.tensor_of(name, rows, cols).name);
  };
  const auto expect_norm = [&](const std::string& name) {
    expect(name + ".weight", 1, c.width);
    if (c.parts.norm == norm_kind::layer) expect(name + ".bias", 1, c.width);
  };
  expect("token_embd.weight", c.vocabulary, c.width);
  expect_norm("output_norm");
  if (file.find("output.weight") != nullptr)  // else tied
    expect("output.weight", c.vocabulary, c.width);
  if (c.parts.positions == position_kind::learned)
    expect("position_embd.weight", c.context + c.position_offset, c.width);
  else if (file.find("rope_freqs.weight") != nullptr)
    expect("rope_freqs.weight", 1, c.rotation.size / 2);
  for (std::size_t l = 0; l < c.layers; ++l) {
    for (const char* norm : {"attn_norm", "ffn_norm"}) expect_norm(in_block(l, norm));
    if (c.parts.head_norms)
      for (const char* norm : {"attn_q_norm.weight", "attn_k_norm.weight"})
        expect(in_block(l, norm), 1, c.head_size);
    for (const projection p : c.projections()) {
      expected.insert(weight_of(file, c, l, p).name);
      if (c.has_bias[p]) expect(in_block(l, gguf_name(p) + ".bias"), 1, c.extents_of(p).outputs);
    }
  }
  for (const tensor& t : file.tensors()) {
    if (expected.count(t.name) != 0) continue;
    const bool outside =
        t.name.starts_with("blk.") && std::strtoull(t.name.c_str() + 4, nullptr, 10) >= c.layers;
    raise<format_error>(concat(
        "model: the tensor '", file.name_in_file(t.name), "' is ",
        outside ? concat("of a block beyond the ", c.layers, " that there are")
        : t.name.ends_with(".bias")
            ? std::string("a bias that other blocks, or models of this kind, have not")
            : concat("not one of a ", c.architecture, " model; what it does would be left out")));
  }
}

}  // namespace llama
