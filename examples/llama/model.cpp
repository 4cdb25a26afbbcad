// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Loading: one row of one tensor at a time is float; pages of the file are given back as soon as
// they are packed.
#include "model.hpp"

#include <cmath>

#include "dequantize.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/pack/choose.hpp"

namespace llama {

using sparsellm::extents;
using sparsellm::format_error;
using sparsellm::layout;
using sparsellm::require;
using sparsellm::sparse_linear;
using sparsellm::value_error;
using sparsellm::vector_view;

namespace {

std::vector<float> read_vector(const gguf& file, const std::string& name, std::size_t size) {
  std::vector<float> v(size);
  dequantize_row(file.require(name, 1, size), 0, v);
  return v;
}

// One weight from tensors stacked top to bottom.
sparse_linear stack(sparsellm::cpu::executor& exec, const mapped_file& mapping,
                    sparsellm::storage type, layout where,
                    const std::vector<const tensor*>& tensors) {
  std::vector<std::size_t> outputs;
  for (const tensor* t : tensors) outputs.push_back(t->rows);
  const auto fill = [&](std::size_t row, vector_view<float> out) {
    for (const tensor* t : tensors) {
      if (row < t->rows) return dequantize_row(*t, row, out);
      row -= t->rows;
    }
  };
  sparse_linear packed(exec, type, where, tensors.front()->cols, outputs, fill);
  for (const tensor* t : tensors) mapping.release(t->data, t->bytes);
  return packed;
}

std::vector<double> make_frequencies(const gguf& file, const config& c) {
  std::vector<double> frequencies(c.rotary_size / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = std::pow(c.rotary_base,
                              -2.0 * static_cast<double>(i) / static_cast<double>(c.rotary_size)) /
                     c.rotary_scale;
  // Llama 3.1's scaling comes as one divisor a frequency.
  if (file.find("rope_freqs.weight") != nullptr) {
    const std::vector<float> divisors = read_vector(file, "rope_freqs.weight", frequencies.size());
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
      require<format_error>(divisors[i] > 0.0f, "model: rope_freqs.weight[", i, "] is ",
                            divisors[i]);
      frequencies[i] /= static_cast<double>(divisors[i]);
    }
  }
  return frequencies;
}

// The sparsity a stacked weight can count on: the mean over what is stacked, by size.
double expected_sparsity(const load_options& options, std::size_t layer,
                         const std::vector<std::size_t>& stacked, const model& m) {
  if (options.thresholds == nullptr) return options.sparsity;
  double weighted = 0, total = 0;
  for (const std::size_t p : stacked) {
    const auto* entry = options.thresholds->find({layer, std::string(projections[p])});
    const auto outputs = static_cast<double>(m.extents_of(p).outputs);
    if (entry != nullptr) weighted += outputs * entry->sparsity;
    total += outputs;
  }
  return weighted / total;
}

}  // namespace

model::model(sparsellm::cpu::executor& exec, const std::string& path, const load_options& options,
             const progress& report)
    : mapping_(path),
      file_(mapping_.data(), mapping_.size()),
      config_(read_config(file_)),
      frequencies_(make_frequencies(file_, config_)) {
  const config& c = config_;
  const auto choose = [&](std::size_t layer, const std::vector<std::size_t>& stacked) {
    extents shape{0, extents_of(stacked.front()).inputs};
    for (const std::size_t p : stacked) shape.outputs += extents_of(p).outputs;
    return sparsellm::choose_layout(shape, sparsellm::bytes_of(options.weights),
                                    expected_sparsity(options, layer, stacked, *this));
  };
  blocks_.reserve(c.layers);
  for (std::size_t l = 0; l < c.layers; ++l) {
    const std::string prefix = "blk." + std::to_string(l) + ".";
    const auto weight = [&](const char* name, std::size_t projection) {
      const extents e = extents_of(projection);
      return &file_.require(prefix + name + ".weight", e.outputs, e.inputs);
    };
    const auto packed = [&](const std::vector<std::size_t>& stacked,
                            const std::vector<const tensor*>& tensors) {
      return stack(exec, mapping_, options.weights, choose(l, stacked), tensors);
    };
    blocks_.push_back(
        {read_vector(file_, prefix + "attn_norm.weight", c.width),
         read_vector(file_, prefix + "ffn_norm.weight", c.width),
         packed({0, 1, 2}, {weight("attn_q", 0), weight("attn_k", 1), weight("attn_v", 2)}),
         packed({3}, {weight("attn_output", 3)}),
         packed({4, 5}, {weight("ffn_gate", 4), weight("ffn_up", 5)}),
         packed({6}, {weight("ffn_down", 6)})});
    report(static_cast<double>(l + 1) / static_cast<double>(c.layers + 1));
  }
  final_norm_ = read_vector(file_, "output_norm.weight", c.width);
  // Tied embeddings: the head is the embedding table.
  const char* head = file_.find("output.weight") != nullptr ? "output.weight" : "token_embd.weight";
  head_ = stack(exec, mapping_, options.weights, layout::panel,
                {&file_.require(head, c.vocabulary, c.width)});
  report(1.0);
}

std::size_t model::weight_bytes() const {
  std::size_t bytes = head_->bytes();
  for (const block& b : blocks_)
    bytes += b.qkv.bytes() + b.out.bytes() + b.gate_up.bytes() + b.down.bytes();
  return bytes;
}

void model::embed(std::int32_t token, vector_view<float> out) const {
  require<value_error>(token >= 0 && static_cast<std::size_t>(token) < config_.vocabulary,
                       "model: token ", token, " is outside the vocabulary of ",
                       config_.vocabulary);
  dequantize_row(*file_.find("token_embd.weight"), static_cast<std::size_t>(token), out);
}

extents model::extents_of(std::size_t projection) const noexcept {
  const config& c = config_;
  const extents shapes[] = {{c.query_width(), c.width}, {c.kv_width(), c.width},
                            {c.kv_width(), c.width},    {c.width, c.query_width()},
                            {c.hidden, c.width},        {c.hidden, c.width},
                            {c.width, c.hidden}};
  return shapes[projection];
}

sparsellm::model_identity model::identity() const {
  sparsellm::weight_hash hash;
  for (const tensor& t : file_.tensors()) {
    hash.add(t.data, t.bytes);
    mapping_.release(t.data, t.bytes);
  }
  return {config_.name, hash.value()};
}

void model::use(const sparsellm::threshold_table& table, const sparsellm::model_identity& self) {
  table.check(self);
  for (std::size_t l = 0; l < blocks_.size(); ++l) {
    std::vector<float> t;
    for (std::size_t p = 0; p < projections.size(); ++p)
      t.push_back(table.threshold({l, std::string(projections[p])}, extents_of(p)));
    blocks_[l].qkv.set_thresholds({t[0], t[1], t[2]});
    blocks_[l].out.set_thresholds({t[3]});
    blocks_[l].gate_up.set_thresholds({t[4], t[5]});
    blocks_[l].down.set_thresholds({t[6]});
  }
}

}  // namespace llama
