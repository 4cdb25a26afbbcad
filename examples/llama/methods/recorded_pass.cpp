// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward as model/forward.cpp goes, with its steps; back step by step. Products go back through
// transposed weights, attention through the library's products of one head's matrices.
#include "methods/recorded_pass.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "methods/head_gradient.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cpu/gate.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/sparsify/normalised.hpp"

namespace llama {

using sparsellm::any_weight;
using sparsellm::buffer;
using sparsellm::element_kind;
using sparsellm::layout_kind;
using sparsellm::require;
using sparsellm::value_error;
using sparsellm::vector_view;

namespace {

// Rows whose logits are in memory at once.
constexpr std::size_t logits_at_once = 128;

// Wᵀ [inputs, outputs] of the rows [first, first + outputs) of a packed weight: what is multiplied
// forward, to the number, in floats or bfloat16.
any_weight transpose(sparsellm::cpu::executor& exec, const any_weight& w, std::size_t first,
                     std::size_t outputs) {
  const std::size_t inputs = w.shape().inputs;
  buffer<float> all(inputs * outputs);
  constexpr std::size_t rows_at_once = 16;  // a cache line of each column
  exec.parallel_for((outputs + rows_at_once - 1) / rows_at_once, [&](std::size_t task) {
    const std::size_t begin = task * rows_at_once;
    const std::size_t n = std::min(rows_at_once, outputs - begin);
    buffer<float> some(n * inputs);
    for (std::size_t r = 0; r < n; ++r)
      unpack_row(w, first + begin + r, vector_view<float>(some.data() + r * inputs, inputs));
    for (std::size_t c = 0; c < inputs; ++c)
      for (std::size_t r = 0; r < n; ++r) all[c * outputs + begin + r] = some[r * inputs + c];
  });
  const element_kind stored =
      w.element() == element_kind::f32 ? element_kind::f32 : element_kind::bf16;
  return any_weight(exec, stored, layout_kind::panel, {inputs, outputs},
                    [&](std::size_t r, vector_view<float> out) {
                      std::copy_n(all.data() + r * outputs, outputs, out.data());
                    });
}

// Columns [first, first + width) of rows.
template <class M>
M columns(M m, std::size_t first, std::size_t width) {
  return {m.data() + first, m.rows(), width, m.stride()};
}

}  // namespace

void check_way_back(const config& c) {
  const auto refuse = [&](bool is_there, std::string_view what) {
    require<value_error>(!is_there, "gradients: ", what, " (model '", c.name,
                         "') is not supported; the Llama family's parts are: RMSNorm, rotary "
                         "positions, a gated MLP, no norms of heads");
  };
  refuse(c.parts.norm != norm_kind::rms, name(c.parts.norm));
  refuse(c.parts.head_norms, "a norm of each head");
  refuse(c.parts.positions != position_kind::rotary, "learned positions");
  refuse(c.parts.mlp != mlp_kind::gated_silu, "an MLP without a gate");
}

recorded_pass::recorded_pass(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
                             std::size_t positions)
    : exec_(exec),
      model_(m),
      max_tokens_(max_tokens),
      steps_(exec, m, max_tokens, positions),
      rotary_(m.rotary_table(positions)),
      swapped_(m.shape(), positions) {
  const config& c = m.shape();
  check_way_back(c);
  for (std::size_t l = 0; l < c.layers; ++l) {
    transposed_.emplace_back();
    for (const activation_site site : activation_sites)
      for (const projection p : c.readers(site)) {
        const auto [linear, place] = m.blocks()[l].reading(site).linear_with(c.place_of(p));
        const auto& section = linear->sections().sections[place];
        transposed_[l][p] = std::make_unique<any_weight>(
            transpose(exec, linear->weight(), section.first, section.last - section.first));
      }
    records_.push_back({buffer<float>(max_tokens * c.width),
                        buffer<float>(max_tokens * (c.query_width() + 2 * c.kv_width())),
                        buffer<float>(max_tokens * c.query_width()),
                        buffer<float>(max_tokens * c.width),
                        buffer<float>(max_tokens * 2 * c.hidden)});
  }
  transposed_head_ = std::make_unique<any_weight>(
      transpose(exec, m.head().linears().front().weight(), 0, c.vocabulary));
  stream_ = buffer<float>(max_tokens * c.width);
  for (std::size_t w = 0; w < exec.concurrency(); ++w)
    workers_.push_back(std::make_unique<head_gradient>(exec.instruction_set(), max_tokens,
                                                       positions, c.head_size));
}

recorded_pass::~recorded_pass() = default;

void recorded_pass::check(const block& b) const {
  require<value_error>(b.gate_threshold < 0.0f,
                       "gradients: CATS' thresholds of the gate are not supported");
  for (const activation_site site : activation_sites)
    for (const stack::linear& linear : b.reading(site).linears())
      require<value_error>(!linear.top_k().has_value(), "gradients: top-k is not supported");
}

const_rows recorded_pass::run(const std::vector<std::int32_t>& tokens, std::size_t first,
                              bool dense, std::vector<kv_cache>& caches) {
  require<sparsellm::shape_error>(!tokens.empty() && tokens.size() <= max_tokens_,
                                  "gradients: 1 to ", max_tokens_, " tokens expected, got ",
                                  tokens.size());
  tokens_ = tokens.size();
  first_ = first;
  caches_ = &caches;
  const rows x = view(stream_, model_.shape().width);
  for (std::size_t t = 0; t < tokens_; ++t) model_.embed(tokens[t], first + t, x.row(t));
  for (std::size_t l = 0; l < records_.size(); ++l) run_block(l, dense, x);
  return x;
}

void recorded_pass::run_block(std::size_t layer, bool dense, rows x) {
  const block& b = model_.blocks()[layer];
  if (!dense) check(b);
  const config& c = model_.shape();
  block_record& r = records_[layer];
  const std::size_t dense_rows = dense ? tokens_ : 0;
  buffer<float> normal(tokens_ * c.width), hidden(tokens_ * c.hidden);
  const rows h = view(normal, c.width);
  std::copy_n(x.data(), tokens_ * c.width, r.before.data());
  steps_.normalise(x, b.attention_norm, h);
  const rows qkv = view(r.qkv, c.query_width() + 2 * c.kv_width());
  steps_.product(b.qkv, h, dense_rows, qkv);
  const rows a = view(r.attended, c.query_width());
  steps_.attend_to(b, qkv, first_, (*caches_)[layer], a);
  steps_.add_product(b.out, a, dense_rows, x);

  std::copy_n(x.data(), tokens_ * c.width, r.between.data());
  steps_.normalise(x, b.mlp_norm, h);
  const rows gate_up = view(r.gate_up, 2 * c.hidden);
  steps_.product(b.gate_up, h, dense_rows, gate_up);
  const rows g = view(hidden, c.hidden);
  sparsellm::gate(exec_, const_rows(columns(gate_up, 0, c.hidden)),
                  const_rows(columns(gate_up, c.hidden, c.hidden)), g);
  steps_.add_product(b.down, g, dense_rows, x);
}

void recorded_pass::reverse(const logits_gradient& of_logits, const gradient_observer& saw) {
  buffer<float> of_stream(tokens_ * model_.shape().width);
  const rows gradient = view(of_stream, model_.shape().width);
  reverse_head(of_logits, gradient);
  for (std::size_t l = records_.size(); l-- > 0;) reverse_block(l, gradient, saw);
}

void recorded_pass::reverse_head(const logits_gradient& of_logits, rows gradient) {
  const config& c = model_.shape();
  const rows x = view(stream_, c.width);
  buffer<float> of_normal(tokens_ * c.width);
  buffer<float> logits(std::min(logits_at_once, tokens_) * c.vocabulary);
  const rows h = view(of_normal, c.width);
  for (std::size_t first = 0; first < tokens_; first += logits_at_once) {
    const std::size_t n = std::min(logits_at_once, tokens_ - first);
    const rows some(logits.data(), n, c.vocabulary);
    steps_.logits(const_rows(&x(first, 0), n, c.width), some);
    of_logits(first, some);
    multiply(exec_, *transposed_head_, const_rows(some), rows(&h(first, 0), n, c.width));
  }
  std::fill_n(gradient.data(), tokens_ * c.width, 0.0f);
  reverse_norm(x, model_.final_norm(), h, gradient);
}

// `gradient`: of the residual stream after the block in, before it out.
void recorded_pass::reverse_block(std::size_t layer, rows gradient, const gradient_observer& saw) {
  using enum activation_site;
  const block& b = model_.blocks()[layer];
  const config& c = model_.shape();
  block_record& r = records_[layer];
  const std::size_t qkv_width = c.query_width() + 2 * c.kv_width();
  buffer<float> inputs(tokens_ * std::max({c.width, c.hidden, c.query_width()}));
  buffer<float> of_inputs(tokens_ * std::max({c.width, c.hidden, c.query_width()}));
  buffer<float> of_outputs(tokens_ * std::max(2 * c.hidden, qkv_width));

  const rows gate_up = view(r.gate_up, 2 * c.hidden);
  const rows hidden = view(inputs, c.hidden), of_hidden = view(of_inputs, c.hidden);
  sparsellm::gate(exec_, const_rows(columns(gate_up, 0, c.hidden)),
                  const_rows(columns(gate_up, c.hidden, c.hidden)), hidden);
  reverse_products(layer, mlp_hidden, gradient, hidden, of_hidden, saw);
  const rows of_gate_up = view(of_outputs, 2 * c.hidden);
  reverse_gate(gate_up, of_hidden, of_gate_up);
  const rows h = view(inputs, c.width), of_h = view(of_inputs, c.width);
  const rows between = view(r.between, c.width);
  steps_.normalise(between, b.mlp_norm, h);
  reverse_products(layer, mlp_input, of_gate_up, h, of_h, saw);
  reverse_norm(between, b.mlp_norm, of_h, gradient);

  const rows a = view(r.attended, c.query_width()), of_a = view(of_inputs, c.query_width());
  reverse_products(layer, attention_output, gradient, a, of_a, saw);
  const rows of_qkv = view(of_outputs, qkv_width);
  reverse_attention(layer, of_a, of_qkv);
  const rows before = view(r.before, c.width);
  steps_.normalise(before, b.attention_norm, h);
  reverse_products(layer, attention_input, of_qkv, h, of_h, saw);
  reverse_norm(before, b.attention_norm, of_h, gradient);
}

// of_inputs = the sum over the site's projections of Wᵀ · of_outputs, for channels that are kept
// and channels that are skipped.
void recorded_pass::reverse_products(std::size_t layer, activation_site site, const_rows of_outputs,
                                     const_rows inputs, rows of_inputs,
                                     const gradient_observer& saw) {
  const config& c = model_.shape();
  const std::span<const projection> readers = c.readers(site);
  buffer<float> of_one(tokens_ * inputs.cols());
  const rows one = view(of_one, inputs.cols());
  std::fill_n(of_inputs.data(), tokens_ * inputs.cols(), 0.0f);
  std::size_t end = of_outputs.cols();
  for (std::size_t i = readers.size(); i-- > 0;) {
    const projection p = readers[i];
    const std::size_t outputs = c.extents_of(p).outputs;
    end -= outputs;
    const const_rows of_output = columns(of_outputs, end, outputs);
    multiply(exec_, *transposed_[layer][p], of_output, one);
    if (saw) saw(layer, p, of_output, one, inputs);
    exec_.parallel_for(tokens_, [&](std::size_t t) {
      float* const sum = &of_inputs(t, 0);
      const float* const more = &one(t, 0);
      for (std::size_t ch = 0; ch < inputs.cols(); ++ch) sum[ch] += more[ch];
    });
  }
}

// of_x += what RMSNorm's outputs' gradient is of x: with f = 1 / rms(x) and g the gains,
// f · (g ∘ d − x · f² · mean(x ∘ g ∘ d)).
void recorded_pass::reverse_norm(const_rows x, const norm_step& norm, const_rows of_output,
                                 rows of_x) {
  const std::size_t width = x.cols();
  exec_.parallel_for(x.rows(), [&](std::size_t t) {
    const auto factor = static_cast<double>(
        sparsellm::rms_norm(x.row(t), norm.gain, model_.shape().norm_epsilon).factor);
    std::vector<float> scaled(width);
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t c = norm.order.size() == 0 ? i : norm.order[i];
      scaled[c] = norm.gain[c] * of_output(t, i);
    }
    double dot = 0;
    for (std::size_t c = 0; c < width; ++c)
      dot += static_cast<double>(x(t, c)) * static_cast<double>(scaled[c]);
    const auto back = static_cast<float>(dot * factor * factor / static_cast<double>(width));
    for (std::size_t c = 0; c < width; ++c)
      of_x(t, c) += static_cast<float>(factor) * (scaled[c] - x(t, c) * back);
  });
}

// Of silu(gate) ∘ up.
void recorded_pass::reverse_gate(const_rows gate_up, const_rows of_hidden, rows of_gate_up) {
  const std::size_t hidden = of_hidden.cols();
  exec_.parallel_for(gate_up.rows(), [&](std::size_t t) {
    for (std::size_t i = 0; i < hidden; ++i) {
      const float g = gate_up(t, i), up = gate_up(t, hidden + i), d = of_hidden(t, i);
      const float sigmoid = 1.0f / (1.0f + std::exp(-g));
      of_gate_up(t, i) = d * up * sigmoid * (1.0f + g * (1.0f - sigmoid));
      of_gate_up(t, hidden + i) = d * g * sigmoid;
    }
  });
}

void recorded_pass::reverse_attention(std::size_t layer, const_rows of_attended, rows of_qkv) {
  const config& c = model_.shape();
  const std::size_t size = c.head_size, shared = c.heads / c.kv_heads;
  const kv_cache& cache = (*caches_)[layer];
  exec_.parallel_for(first_ + tokens_, [&](std::size_t position) {
    std::vector<float> key(size), value(size);
    for (std::size_t h = 0; h < c.kv_heads; ++h) {
      cache.load(h, position, key.data(), value.data());
      swapped_.store(h, position, value.data(), key.data());
    }
  });
  const rows qkv = view(records_[layer].qkv, of_qkv.cols());
  // Keys' and values' gradients of each query head, [k; v]; heads that share them are added up in
  // their order.
  buffer<float> of_shared(tokens_ * c.heads * 2 * size);
  const rows shares(of_shared.data(), tokens_, c.heads * 2 * size);
  exec_.parallel_for(workers_.size(), [&](std::size_t w) {
    for (std::size_t h = w; h < c.heads; h += workers_.size())
      workers_[w]->run({cache.keys(h / shared, 0, first_ + tokens_),
                        swapped_.keys(h / shared, 0, first_ + tokens_),
                        swapped_.values(h / shared, 0, first_ + tokens_)},
                       first_, model_.blocks()[layer].window, columns(qkv, h * size, size),
                       columns(of_attended, h * size, size), columns(of_qkv, h * size, size),
                       columns(shares, 2 * h * size, size),
                       columns(shares, (2 * h + 1) * size, size));
  });
  exec_.parallel_for(tokens_, [&](std::size_t t) {
    float* const of_k = &of_qkv(t, c.query_width());
    std::fill_n(of_k, 2 * c.kv_width(), 0.0f);
    for (std::size_t h = 0; h < c.heads; ++h)
      for (std::size_t i = 0; i < size; ++i) {
        of_k[h / shared * size + i] += shares(t, 2 * h * size + i);
        of_k[c.kv_width() + h / shared * size + i] += shares(t, (2 * h + 1) * size + i);
      }
    for (std::size_t h = 0; h < c.heads + c.kv_heads; ++h)
      turn_back(&of_qkv(t, h * size), rotary_.data() + (first_ + t) * c.rotation.size,
                c.rotation.size);
  });
}

}  // namespace llama
