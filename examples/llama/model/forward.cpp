// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads top to bottom as the architecture does. Shapes are at every function in forward.hpp.
#include "model/forward.hpp"

#include <algorithm>
#include <cmath>

#include "sparsellm/cpu/gate.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/model/any_weight.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/sparsify/sparsify.hpp"

namespace llama {

using sparsellm::vector_view;

namespace {

rows top(rows m, std::size_t n) { return {m.data(), n, m.cols(), m.stride()}; }
const_rows top(const_rows m, std::size_t n) { return {m.data(), n, m.cols(), m.stride()}; }
template <class M>
M below(M m, std::size_t n) {
  return {m.data() + n * m.stride(), m.rows() - n, m.cols(), m.stride()};
}

// A channel stays when another vector's element in its place does.
struct scored_elsewhere {
  const float* scores;
  sparsellm::teal keep;
  [[nodiscard]] bool keeps(float, std::size_t channel) const noexcept {
    return keep.keeps(scores[channel], channel);
  }
};

// out [width] = x with a mean of 0 and a deviation of 1, times the gain, plus the bias.
// LayerNorm: arXiv 1607.06450, section 3.
void layer_norm(vector_view<const float> x, const norm_step& norm, float epsilon,
                vector_view<float> out) {
  double sum = 0, squares = 0;
  for (const float v : x) sum += static_cast<double>(v);
  const double mean = sum / static_cast<double>(x.size());
  for (const float v : x)
    squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  const double variance = squares / static_cast<double>(x.size());
  const double factor = 1.0 / std::sqrt(variance + static_cast<double>(epsilon));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = norm.order.size() == 0 ? i : norm.order[i];
    out[i] = static_cast<float>((static_cast<double>(x[c]) - mean) * factor) * norm.gain[c] +
             norm.bias[c];
  }
}

}  // namespace

forward::forward(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
                 std::size_t positions)
    : exec_(exec),
      model_(m),
      attention_(exec, m, max_tokens, positions),
      active_(m.shape().hidden) {}

rows forward::scratch(sparsellm::buffer<float>& b, std::size_t n, std::size_t width) {
  if (b.size() < n * width) b = sparsellm::buffer<float>(n * width);
  return {b.data(), n, width};
}

// What w's sparse products read: x, or x - centre.
const_rows forward::centred(const stack& w, const_rows x) {
  const std::vector<float>& centre = w.centre();
  if (centre.empty()) return x;
  const rows out = scratch(centred_, x.rows(), x.cols());
  exec_.parallel_for(x.rows(), [&](std::size_t t) {
    for (std::size_t c = 0; c < x.cols(); ++c) out(t, c) = x(t, c) - centre[c];
  });
  return out;
}

void forward::product(const stack& w, const_rows x, std::size_t dense_rows, rows y) {
  const std::size_t dense = std::min(dense_rows, x.rows());
  if (x.rows() == 1) {
    if (dense != 0)
      w.dense(exec_, x.row(0), y.row(0));
    else
      w.sparse(exec_, centred(w, x).row(0), y.row(0));
    return;
  }
  if (dense != 0) w.dense(exec_, top(x, dense), top(y, dense));
  if (dense < x.rows()) w.sparse(exec_, centred(w, below(x, dense)), below(y, dense));
}

sparsellm::normalised forward::in_stream_order(vector_view<const float> x,
                                               const norm_step& norm) const {
  return sparsellm::rms_norm(x, norm.gain, model_.shape().norm_epsilon);
}

void forward::normalise(const_rows x, const norm_step& norm, rows out) {
  exec_.parallel_for(x.rows(), [&](std::size_t t) {
    if (model_.shape().parts.norm == norm_kind::layer)
      return layer_norm(x.row(t), norm, model_.shape().norm_epsilon, out.row(t));
    const sparsellm::normalised h = in_stream_order(x.row(t), norm);
    if (norm.order.size() == 0)
      for (std::size_t i = 0; i < x.cols(); ++i) out(t, i) = h[i];
    else
      for (std::size_t i = 0; i < x.cols(); ++i) out(t, i) = h[norm.order[i]];
  });
}

void forward::attend(const block& b, const_rows h, std::size_t position, std::size_t dense_rows,
                     std::span<kv_cache> caches, rows out) {
  const config& c = model_.shape();
  const rows qkv = scratch(qkv_, h.rows(), c.query_width() + 2 * c.kv_width());
  product(b.qkv, h, dense_rows, qkv);
  passed(step_part::qkv);
  if (caches.size() == 1)
    attend_to(b, qkv, position, caches.front(), out);
  else
    for (std::size_t i = 0; i < caches.size(); ++i)
      attend_to(b, top(below(qkv, i), 1), position, caches[i], top(below(out, i), 1));
  passed(step_part::attention);
}

void forward::add_product(const stack& w, const_rows in, std::size_t dense_rows, rows x) {
  const rows y = scratch(product_, x.rows(), x.cols());
  product(w, in, dense_rows, y);
  for (std::size_t t = 0; t < x.rows(); ++t)
    for (std::size_t i = 0; i < x.cols(); ++i) x(t, i) += y(t, i);
}

void forward::activate(const block& b, const_rows h, std::size_t dense_rows, rows out) {
  if (model_.shape().is_gated()) return activate_gated(b, h, dense_rows, out);
  product(b.gate_up, h, dense_rows, out);
  for (std::size_t t = 0; t < out.rows(); ++t)
    for (float& v : out.row(t)) v = std::max(v, 0.0f);
}

void forward::activate_gated(const block& b, const_rows h, std::size_t dense_rows, rows out) {
  const std::size_t hidden = model_.shape().hidden;
  const rows both = scratch(gate_up_, h.rows(), 2 * hidden);
  product(b.gate_up, h, dense_rows, both);
  const const_rows gates(both.data(), h.rows(), hidden, both.stride());
  const const_rows ups(both.data() + hidden, h.rows(), hidden, both.stride());
  sparsellm::gate(exec_, gates, ups, out);
  if (b.gate_threshold < 0.0f) return;
  for (std::size_t t = dense_rows; t < h.rows(); ++t) {
    const vector_view<float> scores(&both(t, 0), hidden);
    sparsellm::silu(exec_, gates.row(t), scores);
    for (std::size_t i = 0; i < hidden; ++i)
      if (std::fabs(scores[i]) <= b.gate_threshold) out(t, i) = 0.0f;
  }
}

void forward::gates(const block& b, const_rows h, rows out) {
  const std::size_t hidden = model_.shape().hidden;
  const rows both = scratch(gate_up_, h.rows(), 2 * hidden);
  b.gate_up.dense(exec_, h, both);
  for (std::size_t t = 0; t < h.rows(); ++t)
    sparsellm::silu(exec_, vector_view<const float>(&both(t, 0), hidden), out.row(t));
}

void forward::run_block(std::size_t layer, rows x, std::size_t position, std::size_t dense_rows,
                        std::span<kv_cache> caches, const activation_observer* observe) {
  const block& b = model_.blocks()[layer];
  const config& c = model_.shape();
  if (x.rows() == 1 && dense_rows == 0 && observe == nullptr)
    return decode_block(b, x.row(0), position, caches.front());
  const auto saw = [&](activation_site site, const_rows in) {
    if (observe != nullptr) (*observe)(layer, site, in);
  };
  const rows h = scratch(h_, x.rows(), c.width);
  normalise(x, b.attention_norm, h);
  passed(step_part::norms);
  saw(activation_site::attention_input, h);
  const rows a = scratch(attended_, x.rows(), c.query_width());
  attend(b, h, position, dense_rows, caches, a);
  saw(activation_site::attention_output, a);
  add_product(b.out, a, dense_rows, x);
  passed(step_part::out);

  normalise(x, b.mlp_norm, h);
  passed(step_part::norms);
  saw(activation_site::mlp_input, h);
  const rows g = scratch(hidden_, x.rows(), c.hidden);
  activate(b, h, dense_rows, g);
  passed(step_part::gate_up);
  saw(activation_site::mlp_hidden, g);
  add_product(b.down, g, dense_rows, x);
  passed(step_part::down);
}

// One token, sparse: no step leaves more behind than the next one reads. Norms are applied where
// thresholds look, and the gate's epilogue lists the channels of down.
void forward::decode_block(const block& b, vector_view<float> x, std::size_t position,
                           kv_cache& cache) {
  const config& c = model_.shape();
  const rows x_row(x.data(), 1, c.width);
  const rows qkv = scratch(qkv_, 1, c.query_width() + 2 * c.kv_width());
  sparse_of_norm(b.qkv, x, b.attention_norm, qkv.row(0));
  passed(step_part::qkv);
  const rows a = scratch(attended_, 1, c.query_width());
  attend_to(b, qkv, position, cache, a);
  passed(step_part::attention);
  add_product(b.out, a, 0, x_row);
  passed(step_part::out);

  if (!list_hidden(b, x)) {
    const rows h = scratch(h_, 1, c.width);
    normalise(x_row, b.mlp_norm, h);
    passed(step_part::norms);
    const rows g = scratch(hidden_, 1, c.hidden);
    activate(b, h, 0, g);
    passed(step_part::gate_up);
    add_product(b.down, g, 0, x_row);
    return passed(step_part::down);
  }
  passed(step_part::gate_up);
  const rows y = scratch(product_, 1, c.width);
  b.down.linears().front().active(exec_, active_.view(), y.row(0));
  b.down.add_sparse_bias(y.row(0));
  for (std::size_t i = 0; i < c.width; ++i) x[i] += y(0, i);
  passed(step_part::down);
}

void forward::sparse_of_norm(const stack& w, vector_view<const float> x, const norm_step& norm,
                             vector_view<float> y) {
  const bool in_place = model_.shape().parts.norm == norm_kind::rms && norm.order.size() == 0;
  if (in_place && w.centre().empty() && !w.linears().front().top_k().has_value()) {
    const sparsellm::normalised h = in_stream_order(x, norm);
    passed(step_part::norms);
    return w.sparse(exec_, h, y);
  }
  const rows h = scratch(h_, 1, x.size());
  normalise(const_rows(x.data(), 1, x.size()), norm, h);
  passed(step_part::norms);
  w.sparse(exec_, centred(w, h).row(0), y);
}

// active_ receives what down reads of silu(gate · h) ∘ (up · h), h the normalised x. False where
// the weights are not packed for that, have biases or centres, or a projection takes its largest
// channels.
bool forward::list_hidden(const block& b, vector_view<const float> x) {
  const std::vector<stack::linear>& linears = b.gate_up.linears();
  if (!model_.shape().is_gated() || !b.gate_up.sparse_bias().empty() || !b.down.centre().empty())
    return false;
  if (b.gate_threshold >= 0.0f) {
    if (linears.size() != 2 || linears.back().layout() != sparsellm::layout_kind::row_major)
      return false;
    list_by_gate(b, x);
    return true;
  }
  if (linears.size() != 1 || linears.front().top_k().has_value() ||
      b.down.linears().front().top_k().has_value())
    return false;
  list_gated(b, x);
  return true;
}

// TEAL: gate and up in one product, whose epilogue compares with down's threshold.
void forward::list_gated(const block& b, vector_view<const float> x) {
  const config& c = model_.shape();
  const rows hidden = scratch(hidden_, 1, c.hidden);
  const auto run = [&](const auto& in) {
    passed(step_part::norms);
    b.gate_up.linears().front().gated(exec_, in, hidden.row(0), b.down.linears().front().keep(),
                                      active_);
  };
  if (b.mlp_norm.order.size() == 0) return run(in_stream_order(x, b.mlp_norm));
  const rows h = scratch(h_, 1, c.width);
  normalise(const_rows(x.data(), 1, x.size()), b.mlp_norm, h);
  run(vector_view<const float>(h.row(0)));
}

// CATS: gate whole, then the rows of up that it leaves.
void forward::list_by_gate(const block& b, vector_view<const float> x) {
  const config& c = model_.shape();
  const rows h = scratch(h_, 1, c.width);
  normalise(const_rows(x.data(), 1, x.size()), b.mlp_norm, h);
  passed(step_part::norms);
  const rows both = scratch(gate_up_, 1, 2 * c.hidden);
  const vector_view<float> gates(both.data(), c.hidden), ups(both.data() + c.hidden, c.hidden);
  b.gate_up.linears().front().dense(exec_, vector_view<const float>(h.row(0)), gates);
  const vector_view<float> scores = scratch(hidden_, 1, c.hidden).row(0);
  sparsellm::silu(exec_, gates, scores);
  const sparsellm::teal keep{sparsellm::magnitude{}, sparsellm::above{b.gate_threshold}};
  sparsellm::sparsify(exec_, keep, scores, active_);
  sparsellm::multiply_rows(exec_, b.gate_up.linears().back().weight(), active_.view(), h.row(0),
                           ups);
  sparsellm::gate(exec_, gates, ups, gates);
  sparsellm::sparsify(exec_, scored_elsewhere{scores.data(), keep}, gates, active_);
}

void forward::logits(const_rows x, rows out) {
  const rows h = scratch(h_, x.rows(), x.cols());
  normalise(x, model_.final_norm(), h);
  passed(step_part::norms);
  product(model_.head(), h, x.rows(), out);
  passed(step_part::head);
}

}  // namespace llama
