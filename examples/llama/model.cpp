// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Loading: one row of one tensor at a time is float; pages of the file are given back as soon as
// they are packed.
#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dequantize.hpp"
#include "levels.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/pack/choose.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::extents;
using sparsellm::format_error;
using sparsellm::layout;
using sparsellm::require;
using sparsellm::sparse_linear;
using sparsellm::storage;
using sparsellm::value_error;
using sparsellm::vector_view;

namespace {

std::vector<float> read_vector(const gguf& file, const std::string& name, std::size_t size) {
  std::vector<float> v(size);
  dequantize_row(file.require(name, 1, size), 0, v);
  return v;
}

// How far row r of a packed weight is from its tensor's.
template <class W>
void measure(const W& packed, std::size_t r, const tensor& t, std::size_t row, conversion& into) {
  buffer<float> exact(t.cols), stored(t.cols);
  dequantize_row(t, row, exact);
  W::format::unpack_row(packed.view(), r, stored);
  for (std::size_t c = 0; c < t.cols; ++c) {
    const double error = static_cast<double>(stored[c]) - static_cast<double>(exact[c]);
    into.squared_error += error * error;
    into.squared += static_cast<double>(exact[c]) * static_cast<double>(exact[c]);
  }
}

// One weight from tensors of one type, top to bottom.
sparse_linear pack_linear(sparsellm::cpu::executor& exec, const mapped_file& mapping,
                          std::optional<storage> wanted, layout where,
                          const std::vector<const tensor*>& tensors,
                          std::map<tensor_type, conversion>& conversions) {
  std::vector<std::size_t> outputs;
  extents shape{0, tensors.front()->cols};
  for (const tensor* t : tensors) {
    outputs.push_back(t->rows);
    shape.outputs += t->rows;
  }
  const auto locate = [&](std::size_t row) {
    std::size_t t = 0;
    for (; row >= tensors[t]->rows; ++t) row -= tensors[t]->rows;
    return std::pair{tensors[t], row};
  };
  const tensor_type type = tensors.front()->type;
  const storage stored = wanted.value_or(storage_of(type));
  const bool as_levels = !wanted.has_value() && has_levels(type);
  sparsellm::any_weight weight =
      as_levels ? sparsellm::any_weight(exec, stored, where, shape,
                                        [&](std::size_t row, sparsellm::quantized_row& out) {
                                          const auto [t, r] = locate(row);
                                          read_levels(*t, r, out);
                                        })
                : sparsellm::any_weight(exec, stored, where, shape,
                                        [&](std::size_t row, vector_view<float> out) {
                                          const auto [t, r] = locate(row);
                                          dequantize_row(*t, r, out);
                                        });
  const bool kept = type == tensor_type::q8_0 || type == tensor_type::q4_0 ||
                    type == tensor_type::q4_1 || !sparsellm::is_quantized(stored);
  if (!wanted.has_value() && !kept) {
    conversion& into = conversions[type];
    into.tensors += tensors.size();
    weight.visit([&](const auto& packed) {
      for (std::size_t row = 0; row < shape.outputs; ++row) {
        const auto [t, r] = locate(row);
        measure(packed, row, *t, r, into);
      }
    });
  }
  for (const tensor* t : tensors) mapping.release(t->data, t->bytes);
  return sparse_linear(std::move(weight), outputs);
}

// Neighbours of one type make one weight.
stack pack_stack(sparsellm::cpu::executor& exec, const mapped_file& mapping,
                 std::optional<storage> wanted, layout where,
                 const std::vector<const tensor*>& tensors,
                 std::map<tensor_type, conversion>& conversions) {
  std::vector<sparse_linear> parts;
  for (std::size_t first = 0, last; first < tensors.size(); first = last) {
    for (last = first + 1; last < tensors.size(); ++last)
      if (!wanted.has_value() && tensors[last]->type != tensors[first]->type) break;
    parts.push_back(pack_linear(exec, mapping, wanted, where,
                                {tensors.begin() + static_cast<std::ptrdiff_t>(first),
                                 tensors.begin() + static_cast<std::ptrdiff_t>(last)},
                                conversions));
  }
  return stack(std::move(parts));
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

std::vector<std::size_t> readers(input where) {
  std::vector<std::size_t> all;
  for (std::size_t p = 0; p < projections.size(); ++p)
    if (input_of[p] == where) all.push_back(p);
  return all;
}

std::size_t place_of(std::size_t projection) {
  const std::vector<std::size_t> all = readers(input_of[projection]);
  return static_cast<std::size_t>(std::find(all.begin(), all.end(), projection) - all.begin());
}

model::model(sparsellm::cpu::executor& exec, const std::string& path, const load_options& options,
             const progress& report)
    : mapping_(path),
      file_(mapping_.data(), mapping_.size()),
      config_(read_config(file_)),
      frequencies_(make_frequencies(file_, config_)) {
  const config& c = config_;
  const auto score = options.thresholds != nullptr ? options.thresholds->score : options.score;
  const bool gated = score == sparsellm::table_score::gate;
  blocks_.reserve(c.layers);
  for (std::size_t l = 0; l < c.layers; ++l) {
    const auto chosen = [&](const std::vector<std::size_t>& stacked) {
      extents shape{0, extents_of(stacked.front()).inputs};
      for (const std::size_t p : stacked) shape.outputs += extents_of(p).outputs;
      return sparsellm::choose_layout(
          shape, options.weights.value_or(storage_of(weight_of(l, stacked.front()).type)),
          expected_sparsity(options, l, stacked, *this));
    };
    const auto packed = [&](const std::vector<std::size_t>& stacked, layout where) {
      std::vector<const tensor*> tensors;
      for (const std::size_t p : stacked) tensors.push_back(&weight_of(l, p));
      return pack_stack(exec, mapping_, options.weights, where, tensors, conversions_);
    };
    // CATS reads all of gate, then rows of up.
    const auto gate_then_up = [&] {
      const bool rows = !is_quantized(options.weights.value_or(storage_of(weight_of(l, 5).type)));
      std::vector<sparse_linear> parts;
      for (const std::size_t p : {std::size_t{4}, std::size_t{5}})
        parts.push_back(pack_linear(exec, mapping_, options.weights,
                                    p == 5 && rows ? layout::row_major : layout::panel,
                                    {&weight_of(l, p)}, conversions_));
      return stack(std::move(parts));
    };
    const std::string prefix = "blk." + std::to_string(l) + ".";
    blocks_.push_back({read_vector(file_, prefix + "attn_norm.weight", c.width),
                       read_vector(file_, prefix + "ffn_norm.weight", c.width),
                       packed({0, 1, 2}, gated ? layout::panel : chosen({0, 1, 2})),
                       packed({3}, gated ? layout::panel : chosen({3})),
                       gated ? gate_then_up() : packed({4, 5}, chosen({4, 5})),
                       packed({6}, chosen({6}))});
    report(static_cast<double>(l + 1) / static_cast<double>(c.layers + 1));
  }
  final_norm_ = read_vector(file_, "output_norm.weight", c.width);
  // Tied embeddings: the head is the embedding table.
  const char* head = file_.find("output.weight") != nullptr ? "output.weight" : "token_embd.weight";
  head_ = pack_stack(exec, mapping_, options.weights, layout::panel,
                     {&file_.require(head, c.vocabulary, c.width)}, conversions_);
  report(1.0);
}

const tensor& model::weight_of(std::size_t layer, std::size_t projection) const {
  constexpr const char* names[] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                   "ffn_gate", "ffn_up", "ffn_down"};
  const extents e = extents_of(projection);
  return file_.require("blk." + std::to_string(layer) + "." + names[projection] + ".weight",
                       e.outputs, e.inputs);
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

std::vector<float> model::column_norms(sparsellm::cpu::executor& exec, std::size_t layer,
                                       input where) const {
  const std::size_t inputs = extents_of(readers(where).front()).inputs;
  std::vector<std::vector<double>> squares(exec.concurrency(), std::vector<double>(inputs, 0.0));
  for (const std::size_t p : readers(where)) {
    const tensor& t = weight_of(layer, p);
    exec.parallel_for(squares.size(), [&](std::size_t task) {
      buffer<float> row(inputs);
      for (std::size_t r = task; r < t.rows; r += squares.size()) {
        dequantize_row(t, r, row);
        for (std::size_t i = 0; i < inputs; ++i)
          squares[task][i] += static_cast<double>(row[i]) * static_cast<double>(row[i]);
      }
    });
  }
  std::vector<float> norms(inputs);
  for (std::size_t i = 0; i < inputs; ++i) {
    double sum = 0;
    for (const auto& s : squares) sum += s[i];
    norms[i] = static_cast<float>(std::sqrt(sum));
  }
  return norms;
}

void model::use(sparsellm::cpu::executor& exec, const sparsellm::threshold_table& table,
                std::size_t layer, input where) {
  block& b = blocks_[layer];
  stack& s = b.reading(where);
  std::vector<float> thresholds;
  for (const std::size_t p : readers(where))
    thresholds.push_back(table.at({layer, std::string(projections[p])}, extents_of(p)).threshold);
  if (table.score == sparsellm::table_score::gate) {
    s.set_thresholds(std::vector<float>(thresholds.size(), -1.0f));
    if (where == input::mlp) b.gate_threshold = thresholds.back();
    return;
  }
  b.gate_threshold = -1.0f;
  s.set_scale(table.score == sparsellm::table_score::column_scaled
                  ? column_norms(exec, layer, where)
                  : std::vector<float>{});
  s.set_thresholds(thresholds);
  if (table.selection == sparsellm::table_selection::top_k) {
    const std::size_t first = readers(where).front();
    const auto& entry = table.at({layer, std::string(projections[first])}, extents_of(first));
    for (const std::size_t p : readers(where))
      require<format_error>(
          table.at({layer, std::string(projections[p])}, extents_of(p)).sparsity == entry.sparsity,
          "threshold table: layer ", layer,
          ": top-k takes one sparsity for all that read an "
          "input, ",
          projections[p], " has another than ", projections[first]);
    const auto inputs = static_cast<double>(entry.shape.inputs);
    s.set_top_k(static_cast<std::size_t>(std::lround((1.0 - entry.sparsity) * inputs)));
  }
}

void model::use(sparsellm::cpu::executor& exec, const sparsellm::threshold_table& table,
                const sparsellm::model_identity& self) {
  table.check(self);
  for (std::size_t l = 0; l < blocks_.size(); ++l)
    for (const input where : {input::attention, input::output, input::mlp, input::down})
      use(exec, table, l, where);
}

}  // namespace llama
