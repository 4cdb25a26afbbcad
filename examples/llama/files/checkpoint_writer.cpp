// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of q and k are put back into the order of other programs (tensor::split_head).
#include "files/checkpoint_writer.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "files/checkpoint.hpp"
#include "files/dequantize.hpp"
#include "files/little_endian.hpp"
#include "files/safetensors.hpp"
#include "files/tokenizer_json.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/replace_file.hpp"
#include "sparsellm/core/scalar.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::element_kind;
using sparsellm::weight_mask;

namespace {

using bytes = std::vector<std::byte>;
// Row r of a weight, in the order that it is written in.
using row_reader = std::function<void(std::size_t r, sparsellm::vector_view<float> out)>;

template <class T>
void append(bytes& out, const T& value) {
  const auto number = little_endian_bytes(value);
  out.insert(out.end(), number.begin(), number.end());
}

void append_weight(bytes& out, element_kind type, float w) {
  if (type == element_kind::f32)
    append(out, w);
  else if (type == element_kind::f16)
    append(out, sparsellm::narrow<sparsellm::half>(w));
  else
    append(out, sparsellm::narrow<sparsellm::bfloat16>(w));
}

element element_of(element_kind type) {
  require<sparsellm::value_error>(!sparsellm::is_quantized(type),
                                  "checkpoint: f32, f16 or bf16 expected, got ",
                                  sparsellm::name(type));
  return type == element_kind::f32 ? element::f32 : type == element_kind::f16 ? element::f16 : element::bf16;
}

class writer {
 public:
  explicit writer(element_kind type) : type_(type), element_(element_of(type)) {}

  void add_dense(const std::string& name, std::vector<std::size_t> shape, row_reader read) {
    const std::size_t rows = shape.size() == 1 ? 1 : shape[0], cols = shape.back();
    tensors_.push_back({name, element_, std::move(shape), rows,
                        [this, cols, read = std::move(read)](std::size_t r, bytes& out) {
                          std::vector<float> row(cols);
                          read(r, row);
                          for (const float w : row) append_weight(out, type_, w);
                        }});
  }

  // base: "model.layers.0.mlp.up_proj". from(r): the mask's row for row r as it is written.
  void add_sparse(const std::string& base, const weight_mask& mask, bool is_24, row_reader read,
                  std::function<std::size_t(std::size_t)> from) {
    const sparsellm::extents e = mask.shape();
    const std::string name = is_24 ? base : base + ".weight";
    std::size_t kept = 0;
    auto starts = std::make_shared<std::vector<std::int64_t>>();
    for (std::size_t r = 0; r < e.outputs; ++r) {
      starts->push_back(static_cast<std::int64_t>(kept));
      kept += mask.kept(from(r));
    }
    tensors_.push_back(
        {name + ".compressed", element_,
         is_24 ? std::vector<std::size_t>{e.outputs, e.inputs / 2} : std::vector<std::size_t>{kept},
         e.outputs, [this, &mask, e, read, from](std::size_t r, bytes& out) {
           std::vector<float> row(e.inputs);
           read(r, row);
           for (std::size_t c = 0; c < e.inputs; ++c)
             if (mask.keeps(from(r), c)) append_weight(out, type_, row[c]);
         }});
    tensors_.push_back({name + ".bitmask",
                        element::u8,
                        {e.outputs, (e.inputs + 7) / 8},
                        e.outputs,
                        [&mask, e, from](std::size_t r, bytes& out) {
                          const std::uint64_t* words = mask.row(from(r));
                          for (std::size_t i = 0; i < (e.inputs + 7) / 8; ++i)
                            out.push_back(static_cast<std::byte>(words[i / 8] >> (i % 8 * 8)));
                        }});
    tensors_.push_back({name + ".shape", element::i64,
                        is_24 ? std::vector<std::size_t>{2, 1} : std::vector<std::size_t>{2}, 1,
                        [e](std::size_t, bytes& out) {
                          append(out, static_cast<std::int64_t>(e.outputs));
                          append(out, static_cast<std::int64_t>(e.inputs));
                        }});
    if (!is_24)
      tensors_.push_back(
          {name + ".row_offsets", element::i64, {e.outputs}, 1, [starts](std::size_t, bytes& out) {
             for (const std::int64_t s : *starts) append(out, s);
           }});
  }

  [[nodiscard]] const std::vector<safetensor_source>& tensors() const noexcept { return tensors_; }

 private:
  element_kind type_;
  element element_;
  std::vector<safetensor_source> tensors_;
};

ordered_json order_json(const sparsellm::channel_order& o) {
  return o.size() == 0 ? ordered_json(nullptr) : ordered_json(o.channels());
}

const char* torch_name(element_kind type) {
  return type == element_kind::f32 ? "float32" : type == element_kind::f16 ? "float16" : "bfloat16";
}

ordered_json config_json(const model& m, element_kind type, sparsellm::nm_pattern pattern, bool is_24,
                         double sparsity, const std::vector<std::string>& dense) {
  const config& c = m.shape();
  const model_file& f = m.file();
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
  for (const char* which : {"bos", "eos"}) {
    const std::string key = std::string("tokenizer.ggml.") + which + "_token_id";
    if (f.value(key) != nullptr) j[std::string(which) + "_token_id"] = f.whole(key);
  }
  if (c.rotary_scale != 1.0)
    j["rope_scaling"] = {{"rope_type", "linear"}, {"factor", c.rotary_scale}};
  if (const tensor* divisors = f.find("rope_freqs.weight"); divisors != nullptr) {
    std::vector<float> given(divisors->cols);
    dequantize_row(*divisors, 0, given);
    llama3_scaling s;
    s.factor = static_cast<double>(*std::max_element(given.begin(), given.end()));
    const std::vector<float> known = rope_divisors(s, c.rotary_base, c.head_size);
    bool same = known.size() == given.size();
    for (std::size_t i = 0; same && i < given.size(); ++i)
      same = std::fabs(known[i] - given[i]) <= 1e-3f * given[i];
    require<sparsellm::format_error>(
        same,
        "checkpoint: the model's rotary scaling is not Llama 3.1's, which config.json can say");
    j["rope_scaling"] = {{"rope_type", "llama3"},
                         {"factor", s.factor},
                         {"low_freq_factor", s.low_frequency},
                         {"high_freq_factor", s.high_frequency},
                         {"original_max_position_embeddings", s.context}};
  }
  j["quantization_config"] = {
      {"quant_method", "compressed-tensors"},
      {"format", "dense"},
      {"sparsity_config",
       {{"format", is_24 ? "sparse-24-bitmask" : "sparse-bitmask"},
        {"global_sparsity", sparsity},
        {"ignore", dense},
        {"registry_requires_subclass", false},
        {"sparsity_structure", is_24 ? "2:4" : sparsellm::concat(pattern.n, ":", pattern.m)},
        {"targets", {"Linear"}}}}};
  // Its readers know no other structures than these two; ours is in the metadata.
  if (!is_24) j["quantization_config"]["sparsity_config"]["sparsity_structure"] = "unstructured";
  return j;
}

}  // namespace

void write_checkpoint(const std::string& directory, const model& m,
                      const std::vector<pruned_block>& blocks, sparsellm::nm_pattern pattern,
                      element_kind type, const std::string& provenance,
                      const std::function<void(double)>& tick) {
  const config& c = m.shape();
  const model_file& file = m.file();
  const auto rows_of = [&file](const std::string& name, std::size_t outputs, std::size_t cols) {
    const tensor& t = file.tensor_of(name, outputs, cols);
    return [&t](std::size_t r, sparsellm::vector_view<float> out) { dequantize_row(t, r, out); };
  };
  writer out(type);
  out.add_dense("model.embed_tokens.weight", {c.vocabulary, c.width},
                rows_of("token_embd.weight", c.vocabulary, c.width));
  bool is_24 = pattern == sparsellm::nm_pattern{2, 4};
  for (const pruned_block& b : blocks)
    for (const pruned_weight& w : b.weights) is_24 = is_24 && w.mask.shape().inputs % 4 == 0;
  std::vector<std::string> dense{"lm_head"};
  double kept = 0, all = 0;
  for (std::size_t l = 0; l < c.layers; ++l) {
    const std::string prefix = "model.layers." + std::to_string(l) + ".";
    const std::string from = "blk." + std::to_string(l) + ".";
    out.add_dense(prefix + "input_layernorm.weight", {c.width},
                  rows_of(from + "attn_norm.weight", 1, c.width));
    out.add_dense(prefix + "post_attention_layernorm.weight", {c.width},
                  rows_of(from + "ffn_norm.weight", 1, c.width));
    for (const projection p : projections) {
      const sparsellm::extents e = m.extents_of(p);
      // Row r of the checkpoint is this one of ours: halves of a head against pairs.
      const bool split = p == projection::q || p == projection::k;
      const std::size_t head = c.head_size;
      const auto ours = [split, head](std::size_t r) {
        if (!split) return r;
        const std::size_t at = r % head;
        return r - at + at % (head / 2) * 2 + at / (head / 2);
      };
      const row_reader read = [&m, l, p, ours](std::size_t r, sparsellm::vector_view<float> row) {
        m.read_row(l, p, ours(r), row);
      };
      const weight_mask& mask = blocks[l].weights[p].mask;
      if (mask.shape().outputs == 0) {
        dense.push_back(prefix + checkpoint_name(p));
        out.add_dense(prefix + checkpoint_name(p) + ".weight", {e.outputs, e.inputs}, read);
      } else {
        out.add_sparse(prefix + checkpoint_name(p), mask, is_24, read, ours);
        for (std::size_t r = 0; r < e.outputs; ++r) kept += static_cast<double>(mask.kept(r));
        all += static_cast<double>(e.outputs) * static_cast<double>(e.inputs);
      }
    }
  }
  out.add_dense("model.norm.weight", {c.width}, rows_of("output_norm.weight", 1, c.width));
  if (file.find("output.weight") != nullptr)
    out.add_dense("lm_head.weight", {c.vocabulary, c.width},
                  rows_of("output.weight", c.vocabulary, c.width));

  ordered_json metadata{{"version", 1}, {"pruning", ordered_json::parse(provenance)}};
  metadata["orders"] = ordered_json::array();
  for (const pruned_block& b : blocks) {
    ordered_json orders = ordered_json::object();
    for (const activation_site site : activation_sites)
      orders[name(site)] = order_json(b.orders[site]);
    metadata["orders"].push_back(std::move(orders));
  }
  const std::filesystem::path to = directory;
  std::error_code failed;
  std::filesystem::create_directories(to, failed);
  require<sparsellm::file_error>(!failed, "cannot make the directory '", directory, "'");
  const double sparsity = all > 0 ? 1.0 - kept / all : 0.0;
  const std::string config_text =
      config_json(m, type, pattern, is_24, sparsity, dense).dump(1) + "\n";
  const std::string tokenizer = write_tokenizer_json(file);
  const std::string tokenizer_config = write_tokenizer_config(file);
  // The large file first: an interrupted run leaves no new config beside old weights.
  write_safetensors((to / "model.safetensors").string(), out.tensors(),
                    {{"format", "pt"}, {sparsellm_metadata, metadata.dump()}}, tick);
  sparsellm::replace_file((to / "tokenizer.json").string(), tokenizer);
  sparsellm::replace_file((to / "tokenizer_config.json").string(), tokenizer_config);
  sparsellm::replace_file((to / "config.json").string(), config_text);
}

}  // namespace llama
