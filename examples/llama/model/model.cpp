// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Loading: one row of one tensor at a time is float; pages of the file are given back as soon as
// they are packed.
#include "model/model.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "files/dequantize.hpp"
#include "files/levels.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/pack/choose.hpp"
#include "sparsellm/prune/mask.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::channel_order;
using sparsellm::extents;
using sparsellm::format_error;
using sparsellm::layout_kind;
using sparsellm::require;
using sparsellm::sparse_linear;
using sparsellm::element_kind;
using sparsellm::value_error;
using sparsellm::vector_view;

namespace {

std::vector<float> read_vector(const model_file& file, const std::string& name, std::size_t size) {
  std::vector<float> v(size);
  dequantize_row(file.tensor_of(name, 1, size), 0, v);
  return v;
}

// A tensor whose rows and columns are packed in orders of their own.
struct placed_tensor {
  const tensor* t;
  const channel_order* rows;
  const channel_order* columns;

  void read(std::size_t r, vector_view<float> out) const {
    const std::size_t from = rows->size() != 0 ? (*rows)[r] : r;
    if (columns->size() == 0) return dequantize_row(*t, from, out);
    buffer<float> row(t->cols);
    dequantize_row(*t, from, row);
    columns->gather(vector_view<const float>(row), out);
  }
  // Row r of a pruned tensor as row `to` of a mask.
  void read_mask(std::size_t r, std::size_t to, sparsellm::weight_mask& mask) const {
    const std::size_t stored = t->stored_row(rows->size() != 0 ? (*rows)[r] : r);
    for (std::size_t c = 0; c < t->cols; ++c)
      if (keeps(*t, stored, columns->size() != 0 ? (*columns)[c] : c)) mask.keep(to, c);
  }
};

// The pattern that a mask follows, of those that weights are packed in.
std::optional<sparsellm::nm_pattern> pattern_of(const sparsellm::weight_mask& mask) {
  for (const sparsellm::nm_pattern p : {sparsellm::nm_pattern{2, 4}, sparsellm::nm_pattern{4, 8}})
    if (mask.follows(p)) return p;
  return std::nullopt;
}

// How far row r of a packed weight is from its tensor's.
void measure(const sparsellm::any_weight& weight, std::size_t r, const placed_tensor& t, std::size_t row,
             conversion& into) {
  buffer<float> exact(t.t->cols), stored(t.t->cols);
  t.read(row, exact);
  unpack_row(weight, r, stored);
  for (std::size_t c = 0; c < exact.size(); ++c) {
    const double error = static_cast<double>(stored[c]) - static_cast<double>(exact[c]);
    into.squared_error += error * error;
    into.squared += static_cast<double>(exact[c]) * static_cast<double>(exact[c]);
  }
}

// Of a dense weight, and the sparsity that decides for a pruned one.
struct chosen_layout {
  layout_kind dense;
  double sparsity;
};

// One weight from tensors of one type, top to bottom.
sparse_linear pack_linear(sparsellm::cpu::executor& exec, const model_source& source,
                          std::optional<element_kind> wanted, chosen_layout where,
                          const std::vector<placed_tensor>& tensors,
                          std::map<tensor_type, conversion>& conversions) {
  std::vector<std::size_t> outputs;
  extents shape{0, tensors.front().t->cols};
  for (const placed_tensor& p : tensors) {
    outputs.push_back(p.t->rows);
    shape.outputs += p.t->rows;
  }
  const auto locate = [&](std::size_t row) {
    std::size_t t = 0;
    for (; row >= tensors[t].t->rows; ++t) row -= tensors[t].t->rows;
    return std::pair{&tensors[t], row};
  };
  const tensor_type type = tensors.front().t->type;
  element_kind stored = wanted.value_or(storage_of(type));
  const bool is_float = !sparsellm::is_quantized(stored) || stored == element_kind::i8;
  const bool pruned = is_float && where.dense != layout_kind::row_major &&
                      std::all_of(tensors.begin(), tensors.end(),
                                  [](const placed_tensor& p) { return p.t->mask != nullptr; });
  if (pruned) {
    sparsellm::weight_mask mask(shape);
    exec.parallel_for(shape.outputs, [&](std::size_t row) {
      const auto [p, r] = locate(row);
      p->read_mask(r, row, mask);
    });
    if (const auto pattern = pattern_of(mask)) {
      const auto fill = [&](std::size_t row, vector_view<float> out) {
        const auto [p, r] = locate(row);
        p->read(r, out);
      };
      sparsellm::any_weight weight(
          exec, stored, sparsellm::choose_layout(shape, stored, *pattern, where.sparsity), shape,
          fill, mask, *pattern);
      for (const placed_tensor& p : tensors) source.release(*p.t);
      return sparse_linear(std::move(weight), outputs);
    }
  }
  if (stored == element_kind::i8) stored = element_kind::q8_0;  // what dense weights of 8 bits are
  const bool as_levels = !wanted.has_value() && has_levels(type);
  for (const placed_tensor& p : tensors)
    require<value_error>(!as_levels || (p.rows->size() == 0 && p.columns->size() == 0), "model: '",
                         p.t->name,
                         "' can be put in another order as floats, not as it is in the file");
  sparsellm::any_weight weight =
      as_levels ? sparsellm::any_weight(exec, stored, where.dense, shape,
                                        [&](std::size_t row, sparsellm::quantized_row& out) {
                                          const auto [p, r] = locate(row);
                                          read_levels(*p->t, r, out);
                                        })
                : sparsellm::any_weight(exec, stored, where.dense, shape,
                                        [&](std::size_t row, vector_view<float> out) {
                                          const auto [p, r] = locate(row);
                                          p->read(r, out);
                                        });
  const bool kept = type == tensor_type::q8_0 || type == tensor_type::q4_0 ||
                    type == tensor_type::q4_1 || !sparsellm::is_quantized(stored);
  if (!wanted.has_value() && !kept) {
    conversion& into = conversions[type];
    into.tensors += tensors.size();
    for (std::size_t row = 0; row < shape.outputs; ++row) {
      const auto [p, r] = locate(row);
      measure(weight, row, *p, r, into);
    }
  }
  for (const placed_tensor& p : tensors) source.release(*p.t);
  return sparse_linear(std::move(weight), outputs);
}

// Neighbours of one type make one weight.
stack pack_stack(sparsellm::cpu::executor& exec, const model_source& source,
                 std::optional<element_kind> wanted, chosen_layout where,
                 const std::vector<placed_tensor>& tensors,
                 std::map<tensor_type, conversion>& conversions) {
  std::vector<sparse_linear> parts;
  for (std::size_t first = 0, last; first < tensors.size(); first = last) {
    for (last = first + 1; last < tensors.size(); ++last)
      if (!wanted.has_value() && tensors[last].t->type != tensors[first].t->type) break;
    parts.push_back(pack_linear(exec, source, wanted, where,
                                {tensors.begin() + static_cast<std::ptrdiff_t>(first),
                                 tensors.begin() + static_cast<std::ptrdiff_t>(last)},
                                conversions));
  }
  return stack(std::move(parts));
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

std::vector<double> make_frequencies(const model_file& file, const config& c) {
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
                         std::span<const projection> stacked, const model& m) {
  if (options.thresholds == nullptr) return options.sparsity;
  double weighted = 0, total = 0;
  for (const projection p : stacked) {
    const auto* entry = options.thresholds->find({layer, name(p)});
    const auto outputs = static_cast<double>(m.extents_of(p).outputs);
    if (entry != nullptr) weighted += outputs * entry->sparsity;
    total += outputs;
  }
  return weighted / total;
}

}  // namespace

model::model(sparsellm::cpu::executor& exec, const std::string& path, const load_options& options,
             const progress& report)
    : source_(path),
      config_(read_config(file())),
      orders_(options.orders != nullptr ? *options.orders : file().orders()),
      frequencies_(make_frequencies(file(), config_)) {
  const config& c = config_;
  check_orders(orders_, c);
  for (const block_orders& b : orders_)
    v_.push_back(value_rows(b[activation_site::attention_output], c));
  const auto score = options.thresholds != nullptr ? options.thresholds->score : options.score;
  const bool gated = score == sparsellm::table_score::gate;
  blocks_.reserve(c.layers);
  for (std::size_t l = 0; l < c.layers; ++l) {
    const auto chosen = [&](activation_site site) {
      const std::span<const projection> stacked = readers(site);
      extents shape{0, extents_of(stacked.front()).inputs};
      for (const projection p : stacked) shape.outputs += extents_of(p).outputs;
      const double sparsity = expected_sparsity(options, l, stacked, *this);
      return chosen_layout{
          sparsellm::choose_layout(
              shape, options.weights.value_or(storage_of(weight_of(l, stacked.front()).type)),
              sparsity),
          sparsity};
    };
    constexpr chosen_layout panel{layout_kind::panel, 0.0};
    const auto placed = [&](projection p) {
      return placed_tensor{&weight_of(l, p), &row_order(l, p), &column_order(l, p)};
    };
    const auto packed = [&](activation_site site, chosen_layout where) {
      std::vector<placed_tensor> tensors;
      for (const projection p : readers(site)) tensors.push_back(placed(p));
      return pack_stack(exec, source_, options.weights, where, tensors, conversions_);
    };
    const auto norm = [&](const std::string& gain, activation_site site) {
      return norm_step{read_vector(file(), gain, c.width),
                       orders_.empty() ? channel_order{} : orders_[l][site]};
    };
    // CATS reads all of gate, then rows of up.
    const auto gate_then_up = [&] {
      const bool rows =
          !is_quantized(options.weights.value_or(storage_of(weight_of(l, projection::up).type)));
      std::vector<sparse_linear> parts;
      for (const projection p : readers(activation_site::mlp_input))
        parts.push_back(
            pack_linear(exec, source_, options.weights,
                        p == projection::up && rows ? chosen_layout{layout_kind::row_major, 0.0} : panel,
                        {placed(p)}, conversions_));
      return stack(std::move(parts));
    };
    const std::string prefix = "blk." + std::to_string(l) + ".";
    using enum activation_site;
    blocks_.push_back({norm(prefix + "attn_norm.weight", attention_input),
                       norm(prefix + "ffn_norm.weight", mlp_input),
                       packed(attention_input, gated ? panel : chosen(attention_input)),
                       packed(attention_output, gated ? panel : chosen(attention_output)),
                       gated ? gate_then_up() : packed(mlp_input, chosen(mlp_input)),
                       packed(mlp_hidden, chosen(mlp_hidden))});
    report(static_cast<double>(l + 1) / static_cast<double>(c.layers + 1));
  }
  final_norm_.gain = read_vector(file(), "output_norm.weight", c.width);
  // Tied embeddings: the head is the embedding table.
  const char* head =
      file().find("output.weight") != nullptr ? "output.weight" : "token_embd.weight";
  const channel_order as_it_is;
  head_ = pack_stack(exec, source_, options.weights, {layout_kind::panel, 0.0},
                     {{&file().tensor_of(head, c.vocabulary, c.width), &as_it_is, &as_it_is}},
                     conversions_);
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
  placed_tensor{&weight_of(layer, p), &row_order(layer, p), &column_order(layer, p)}.read(r, out);
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
  dequantize_row(*file().find("token_embd.weight"), static_cast<std::size_t>(token), out);
}

sparsellm::model_identity model::identity() const {
  sparsellm::weight_hash hash;
  for (const tensor& t : file().tensors()) {
    hash.add(t.data, t.bytes);
    if (t.mask != nullptr) hash.add(t.mask, t.rows * ((t.cols + 7) / 8));
    source_.release(t);
  }
  return {config_.name, hash.value()};
}

std::vector<float> model::column_norms(sparsellm::cpu::executor& exec, std::size_t layer,
                                       activation_site site) const {
  const std::size_t inputs = extents_of(readers(site).front()).inputs;
  std::vector<std::vector<double>> squares(exec.concurrency(), std::vector<double>(inputs, 0.0));
  for (const projection p : readers(site)) {
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

void model::use(sparsellm::cpu::executor& exec, const sparsellm::threshold_table& table,
                std::size_t layer, activation_site site) {
  block& b = blocks_[layer];
  stack& s = b.reading(site);
  std::vector<float> thresholds;
  for (const projection p : readers(site))
    thresholds.push_back(table.at({layer, name(p)}, extents_of(p)).threshold);
  if (table.score == sparsellm::table_score::gate) {
    s.set_thresholds(std::vector<float>(thresholds.size(), -1.0f));
    if (site == activation_site::mlp_input) b.gate_threshold = thresholds.back();
    return;
  }
  b.gate_threshold = -1.0f;
  s.set_scale(table.score == sparsellm::table_score::column_scaled ? column_norms(exec, layer, site)
                                                                   : std::vector<float>{});
  s.set_thresholds(thresholds);
  if (table.selection == sparsellm::table_selection::top_k) {
    const projection first = readers(site).front();
    const auto& entry = table.at({layer, name(first)}, extents_of(first));
    for (const projection p : readers(site))
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
  table.check(self);
  for (std::size_t l = 0; l < blocks_.size(); ++l)
    for (const activation_site site : activation_sites) use(exec, table, l, site);
}

}  // namespace llama
