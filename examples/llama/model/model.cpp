// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Loading, and what thresholds and methods ask of the weights in the file.
#include "model/model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "files/dequantize.hpp"
#include "files/finite.hpp"
#include "files/levels.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/pack/choose.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::channel_order;
using sparsellm::extents;
using sparsellm::format_error;
using sparsellm::layout_kind;
using sparsellm::require;
using sparsellm::sparse_linear;
using sparsellm::value_error;
using sparsellm::vector_view;

namespace {

std::vector<float> read_vector(const model_file& file, const std::string& name, std::size_t size) {
  std::vector<float> stored(size), v(size);
  const tensor& t = file.tensor_of(name, 1, size);
  dequantize_row(t, 0, stored);
  require_finite(file, t, 0, vector_view<const float>(stored));
  for (std::size_t i = 0; i < size; ++i) v[i] = stored[t.stored_row(i)];
  return v;
}

// A norm before it has an order.
norm_step read_norm(const model_file& file, const std::string& name, const config& c) {
  norm_step norm;
  norm.gain = read_vector(file, name + ".weight", c.width);
  if (c.parts.norm == norm_kind::layer) norm.bias = read_vector(file, name + ".bias", c.width);
  return norm;
}

// The rows of v that a block's order of o's inputs asks for: the same within every head that reads
// a KV head.
channel_order value_rows(const channel_order& output, const config& c) {
  if (output.size() == 0) return {};
  const std::size_t shared = c.heads / c.kv_heads, size = c.head_size;
  std::vector<std::uint32_t> rows(c.kv_width());
  for (std::size_t i = 0; i < c.query_width(); ++i) {
    const std::size_t head = i / size, at = head / shared * size + i % size;
    const std::size_t place = output[i] % size;
    const auto row = static_cast<std::uint32_t>(head / shared * size + place);
    require<format_error>(
        output[i] / size == head && (head % shared == 0 || rows[at] == row),
        "model: the order of o's inputs must stay within heads, alike in all that share keys and "
        "values; place ",
        i, " holds channel ", output[i]);
    rows[at] = row;
  }
  return channel_order(std::move(rows));
}

void check_orders(const std::vector<block_orders>& orders, const config& c) {
  require<format_error>(orders.empty() || orders.size() == c.layers, "model: orders for ",
                        orders.size(), " of ", c.layers, " blocks");
  const auto fits = [](const channel_order& o, std::size_t channels) {
    require<format_error>(o.size() == 0 || o.size() == channels, "model: an order of ", channels,
                          " channels expected, got ", o.size());
  };
  for (const block_orders& b : orders)
    for (const activation_site site : activation_sites) fits(b[site], c.channels_of(site));
}

// What a ReLU is taken to leave at 0 before anything was counted, for the choice of the layout
// alone. A table has the share that was seen.
constexpr double zeros_of_relu = 0.7;

// The sparsity that the weight of a site's readers can count on: their mean, by size.
double expected_sparsity(const load_options& options, std::size_t layer, activation_site site,
                         const config& c) {
  const bool is_relu = c.parts.mlp == mlp_kind::relu && site == activation_site::mlp_hidden;
  if (options.skips_zeros && is_relu) return std::max(options.sparsity, zeros_of_relu);
  if (options.thresholds == nullptr) return options.sparsity;
  double weighted = 0, total = 0;
  for (const projection p : c.readers(site)) {
    const auto* entry = options.thresholds->find({layer, name(p)});
    const auto outputs = static_cast<double>(c.extents_of(p).outputs);
    if (entry != nullptr) weighted += outputs * entry->sparsity;
    total += outputs;
  }
  return weighted / total;
}

constexpr chosen_layout dense_panel{layout_kind::panel, 0.0};

}  // namespace

placed_tensor model::placed(std::size_t layer, projection p) const {
  return {&weight_of(layer, p), &row_order(layer, p), &column_order(layer, p)};
}

stack model::load_stack(weight_packer& packer, const load_options& options, std::size_t layer,
                        activation_site site) const {
  const auto stored_as = [&](projection p) {
    return options.weights.value_or(storage_of(weight_of(layer, p).type));
  };
  std::vector<placed_tensor> tensors;
  extents shape{0, config_.channels_of(site)};
  for (const projection p : config_.readers(site)) {
    tensors.push_back(placed(layer, p));
    shape.outputs += extents_of(p).outputs;
  }
  const auto score = options.thresholds != nullptr ? options.thresholds->score : options.score;
  if (score != sparsellm::table_score::gate || site == activation_site::mlp_hidden) {
    const double sparsity = expected_sparsity(options, layer, site, config_);
    const layout_kind dense = sparsellm::choose_layout(
        shape, stored_as(config_.readers(site).front()), sparsity, options.machine());
    return stack(packer.pack_linears(tensors, {dense, sparsity}), load_bias(layer, site));
  }
  if (site != activation_site::mlp_input || !config_.is_gated())
    return stack(packer.pack_linears(tensors, dense_panel), load_bias(layer, site));
  // CATS reads all of gate, then rows of up, which quantised formats do not have.
  const bool has_rows = !is_quantized(stored_as(projection::up));
  std::vector<sparse_linear> linears;
  linears.push_back(packer.pack({placed(layer, projection::gate)}, dense_panel));
  linears.push_back(
      packer.pack({placed(layer, projection::up)},
                  has_rows ? chosen_layout{layout_kind::row_major, 0.0} : dense_panel));
  return stack(std::move(linears), load_bias(layer, site));
}

// In the order of the stack's rows.
std::vector<float> model::load_bias(std::size_t layer, activation_site site) const {
  std::vector<float> bias;
  bool any = false;
  for (const projection p : config_.readers(site)) {
    const std::size_t outputs = extents_of(p).outputs;
    if (!config_.has_bias[p]) {
      bias.resize(bias.size() + outputs, 0.0f);
      continue;
    }
    any = true;
    const std::vector<float> of_file =
        read_vector(file(), "blk." + std::to_string(layer) + "." + gguf_name(p) + ".bias", outputs);
    const std::vector<float> ordered = in_order(row_order(layer, p), of_file);
    bias.insert(bias.end(), ordered.begin(), ordered.end());
  }
  return any ? bias : std::vector<float>{};
}

block model::load_block(weight_packer& packer, const load_options& options,
                        std::size_t layer) const {
  using enum activation_site;
  const std::string name = "blk." + std::to_string(layer) + ".";
  const auto norm = [&](const char* part, activation_site site) {
    norm_step step = read_norm(file(), name + part, config_);
    if (!orders_.empty()) step.order = orders_[layer][site];
    return step;
  };
  const auto head_norm = [&](const char* part) {
    return config_.parts.head_norms ? read_vector(file(), name + part, config_.head_size)
                                    : std::vector<float>{};
  };
  const auto load = [&](activation_site site) { return load_stack(packer, options, layer, site); };
  return {norm("attn_norm", attention_input),
          norm("ffn_norm", mlp_input),
          load(attention_input),
          load(attention_output),
          load(mlp_input),
          load(mlp_hidden),
          head_norm("attn_q_norm.weight"),
          head_norm("attn_k_norm.weight"),
          config_.windows[layer]};
}

model::model(sparsellm::cpu::executor& exec, model_source source, const load_options& options,
             const progress& report)
    : source_(std::move(source)),
      config_(read_config(file())),
      orders_(options.orders != nullptr ? *options.orders : file().orders()),
      frequencies_(rotary_frequencies(file(), config_.rotation)) {
  const config& c = config_;
  check_tensors(file(), c);
  check_orders(orders_, c);
  for (const block_orders& b : orders_)
    v_.push_back(value_rows(b[activation_site::attention_output], c));
  weight_packer packer(exec, source_, options.weights, options.machine());
  blocks_.reserve(c.layers);
  for (std::size_t l = 0; l < c.layers; ++l) {
    blocks_.push_back(load_block(packer, options, l));
    report(static_cast<double>(l + 1) / static_cast<double>(c.layers + 1));
  }
  final_norm_ = read_norm(file(), "output_norm", c);
  // Tied embeddings: the head is the embedding table.
  const char* head =
      file().find("output.weight") != nullptr ? "output.weight" : "token_embd.weight";
  const channel_order as_it_is;
  head_.emplace(packer.pack_linears(
      {{&file().tensor_of(head, c.vocabulary, c.width), &as_it_is, &as_it_is}}, dense_panel));
  report(1.0);
}

const tensor& model::weight_of(std::size_t layer, projection p) const {
  return llama::weight_of(file(), config_, layer, p);
}

const channel_order& model::column_order(std::size_t layer, projection p) const {
  static const channel_order none;
  return orders_.empty() ? none : orders_[layer][site_of(p)];
}

const channel_order& model::row_order(std::size_t layer, projection p) const {
  static const channel_order none;
  if (orders_.empty()) return none;
  if (p == projection::v) return v_[layer];
  return p == projection::gate || p == projection::up ? orders_[layer][activation_site::mlp_hidden]
                                                      : none;
}

void model::read_row(std::size_t layer, projection p, std::size_t r, vector_view<float> out) const {
  placed(layer, p).read(r, out);
}

std::size_t model::weight_bytes() const {
  std::size_t bytes = head_->bytes();
  for (const block& b : blocks_)
    bytes += b.qkv.bytes() + b.out.bytes() + b.gate_up.bytes() + b.down.bytes();
  return bytes;
}

void model::embed(std::int32_t token, std::size_t position, vector_view<float> out) const {
  require<value_error>(token >= 0 && static_cast<std::size_t>(token) < config_.vocabulary,
                       "model: token ", token, " is outside the vocabulary of ",
                       config_.vocabulary);
  const tensor& table = embeddings();
  dequantize_row(table, static_cast<std::size_t>(token), out);
  require_finite(file(), table, static_cast<std::size_t>(token), out);
  if (learned_positions() == nullptr) return;
  require<value_error>(position < config_.context, "model: position ", position, " of ",
                       config_.context);
  const tensor& learned = *learned_positions();
  const std::size_t row = position + config_.position_offset;
  buffer<float> of_position(out.size());
  dequantize_row(learned, row, of_position);
  require_finite(file(), learned, row, vector_view<const float>(of_position));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += of_position[i];
}

std::vector<float> model::rotary_table(std::size_t positions) const {
  const double magnitude = config_.rotation.magnitude;
  std::vector<float> table;
  table.reserve(positions * config_.rotation.size);
  for (std::size_t p = 0; p < positions; ++p)
    for (const double frequency : frequencies_) {
      const double angle = static_cast<double>(p) * frequency;
      table.push_back(static_cast<float>(std::cos(angle) * magnitude));
      table.push_back(static_cast<float>(std::sin(angle) * magnitude));
    }
  return table;
}

void model::add_to(sparsellm::weight_hash& hash, const tensor& t) const {
  hash.add(t.data, t.bytes);
  if (t.mask != nullptr) hash.add(t.mask, t.rows * ((t.cols + 7) / 8));
  source_.release(t);
}

sparsellm::model_identity model::identity() const {
  sparsellm::weight_hash hash;
  for (const tensor& t : file().tensors()) add_to(hash, t);
  return {config_.name, hash.value()};
}

std::uint64_t model::weight_hash_of(std::size_t layer, projection p) const {
  sparsellm::weight_hash hash;
  add_to(hash, weight_of(layer, p));
  return hash.value();
}

std::vector<float> model::column_norms(sparsellm::cpu::executor& exec, std::size_t layer,
                                       activation_site site) const {
  const std::size_t inputs = extents_of(config_.readers(site).front()).inputs;
  std::vector<std::vector<double>> squares(exec.concurrency(), std::vector<double>(inputs, 0.0));
  for (const projection p : config_.readers(site)) {
    exec.parallel_for(squares.size(), [&](std::size_t task) {
      buffer<float> row(inputs);
      for (std::size_t r = task; r < extents_of(p).outputs; r += squares.size()) {
        read_row(layer, p, r, row);
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

// In the order of the stack's rows; empty where no projection has a bias.
std::vector<float> model::made_up_by(const sparsellm::threshold_table& table, std::size_t layer,
                                     activation_site site) const {
  std::vector<float> all;
  bool any = false;
  for (const projection p : config_.readers(site)) {
    const std::vector<float>& bias = table.at({layer, name(p)}, extents_of(p)).bias;
    require<value_error>(bias.empty() || table.score != sparsellm::table_score::gate,
                         "threshold table: biases beside CATS' scores are not supported");
    any = any || !bias.empty();
    if (bias.empty()) {
      all.resize(all.size() + extents_of(p).outputs, 0.0f);
      continue;
    }
    const std::vector<float> ordered = in_order(row_order(layer, p), bias);
    all.insert(all.end(), ordered.begin(), ordered.end());
  }
  return any ? all : std::vector<float>{};
}

// In the order that the activation's channels are packed in; empty where there is none.
std::vector<float> model::centre_in(const sparsellm::threshold_table& table, std::size_t layer,
                                    activation_site site) const {
  const projection first = config_.readers(site).front();
  const std::vector<float>& centre = table.at({layer, name(first)}, extents_of(first)).centre;
  require<value_error>(centre.empty() || table.score != sparsellm::table_score::gate,
                       "threshold table: centres beside CATS' scores are not supported");
  for (const projection p : config_.readers(site))
    require<format_error>(table.at({layer, name(p)}, extents_of(p)).centre == centre,
                          "threshold table: layer ", layer,
                          ": one centre expected for all that read an input, ", name(p),
                          " has another than ", name(first));
  return centre.empty() ? centre : in_order(column_order(layer, first), centre);
}

void model::use(sparsellm::cpu::executor& exec, const sparsellm::threshold_table& table,
                std::size_t layer, activation_site site) {
  block& b = blocks_[layer];
  stack& s = b.reading(site);
  std::vector<float> thresholds;
  for (const projection p : config_.readers(site))
    thresholds.push_back(table.at({layer, name(p)}, extents_of(p)).threshold);
  s.set_centre(exec, centre_in(table, layer, site));
  s.set_made_up(made_up_by(table, layer, site));
  if (table.score == sparsellm::table_score::gate) {
    require<value_error>(config_.is_gated(),
                         "threshold table: CATS' scores are those of a gate, which this model's "
                         "MLP has not");
    s.set_thresholds(std::vector<float>(thresholds.size(), -1.0f));
    if (site == activation_site::mlp_input) b.gate_threshold = thresholds.back();
    return;
  }
  b.gate_threshold = -1.0f;
  s.set_scale(table.score == sparsellm::table_score::column_scaled ? column_norms(exec, layer, site)
                                                                   : std::vector<float>{});
  s.set_thresholds(thresholds);
  if (table.selection == sparsellm::table_selection::top_k) {
    const projection first = config_.readers(site).front();
    const auto& entry = table.at({layer, name(first)}, extents_of(first));
    for (const projection p : config_.readers(site))
      require<format_error>(table.at({layer, name(p)}, extents_of(p)).sparsity == entry.sparsity,
                            "threshold table: layer ", layer,
                            ": top-k takes one sparsity for all that read an "
                            "input, ",
                            name(p), " has another than ", name(first));
    const auto inputs = static_cast<double>(entry.shape.inputs);
    s.set_top_k(static_cast<std::size_t>(std::lround((1.0 - entry.sparsity) * inputs)));
  }
}

void model::use(sparsellm::cpu::executor& exec, const sparsellm::threshold_table& table,
                const sparsellm::model_identity& self) {
  // Who made the table may have seen one weight at a time, as the plugin for llama.cpp does.
  const bool by_weight = table.knows_weights_alone();
  if (!by_weight) table.check(self);
  for (std::size_t l = 0; l < blocks_.size(); ++l)
    for (const activation_site site : activation_sites) {
      if (by_weight)
        for (const projection p : config_.readers(site))
          (void)table.at({l, name(p)}, extents_of(p), weight_hash_of(l, p));
      use(exec, table, l, site);
    }
}

}  // namespace llama
