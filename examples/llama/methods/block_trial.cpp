// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "methods/block_trial.hpp"

#include <algorithm>
#include <cmath>

#include "sparsellm/cpu/multiply_gated.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/pack/pack.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"

namespace llama {

using sparsellm::bfloat16;
using sparsellm::buffer;
using sparsellm::histogram;
using sparsellm::panel;
using sparsellm::vector_view;

namespace {

void observe(histogram& into, const_rows x) {
  for (std::size_t r = 0; r < x.rows(); ++r) into.observe(x.row(r));
}

}  // namespace

block_trial::block_trial(sparsellm::cpu::executor& exec, const model& m, forward& steps,
                         std::size_t layer, std::size_t length, rows stream, error_norm norm)
    : exec_(exec),
      model_(m),
      steps_(steps),
      block_(m.blocks()[layer]),
      norm_(norm),
      windows_(stream.rows() / length),
      length_(length),
      half_(length / 2),
      quarter_(length / 4) {
  const config& c = m.shape();
  for (const projection p : c.projections()) {
    weights_.push_back(sparsellm::pack<panel<bfloat16>>(
        exec, m.extents_of(p),
        [&](std::size_t r, vector_view<float> out) { m.read_row(layer, p, r, out); }));
  }
  h1_ = buffer<float>(windows_ * half_ * c.width);
  x_ = buffer<float>(windows_ * quarter_ * c.width);
  dense_ = buffer<float>(windows_ * quarter_ * c.width);
  h2_ = buffer<float>(windows_ * quarter_ * c.width);
  hidden_ = buffer<float>(windows_ * quarter_ * c.hidden);
  kept_ = blank();
  trial_ = blank();

  // The dense block over whole windows: what its inputs look like, the first halves' keys and
  // values, and the stream for the next block.
  buffer<float> h(length * c.width), a(length * c.query_width()), g(length * c.hidden);
  const rows hs(h.data(), length, c.width), as(a.data(), length, c.query_width());
  const rows gs(g.data(), length, c.hidden);
  for (std::size_t w = 0; w < windows_; ++w) {
    const rows x(&stream(w * length, 0), length, c.width);
    caches_.emplace_back(c, length);
    steps.normalise(x, block_.attention_norm, hs);
    observe(seen_[activation_site::attention_input], hs);
    std::copy_n(&hs(length - half_, 0), half_ * c.width, h1_.data() + w * half_ * c.width);
    std::copy_n(&x(length - quarter_, 0), quarter_ * c.width, x_.data() + w * quarter_ * c.width);
    steps.attend(block_, hs, 0, length, {&caches_.back(), 1}, as);
    observe(seen_[activation_site::attention_output], as);
    steps.add_product(block_.out, as, length, x);
    steps.normalise(x, block_.mlp_norm, hs);
    observe(seen_[activation_site::mlp_input], hs);
    steps.activate(block_, hs, length, gs);
    observe(seen_[activation_site::mlp_hidden], gs);
    steps.add_product(block_.down, gs, length, x);
  }

  const std::vector<double> nothing(c.projections().size(), 0.0);
  for (const projection p : c.readers(activation_site::attention_input))
    run(nothing, p, kept_, kept_);
  copy(kept_.out, dense_);
}

block_trial::state block_trial::blank() const {
  const config& c = model_.shape();
  const std::size_t n = windows_ * quarter_;
  return {buffer<float>(windows_ * half_ * (c.query_width() + 2 * c.kv_width()), 0.0f),
          buffer<float>(n * c.query_width()),
          buffer<float>(n * c.width),
          buffer<float>(n * c.hidden),
          buffer<float>(n * c.hidden),
          buffer<float>(n * c.width)};
}

void block_trial::copy(const buffer<float>& from, buffer<float>& to) {
  if (&from != &to) std::copy(from.begin(), from.end(), to.begin());
}

float block_trial::threshold(projection p, double sparsity) const {
  return sparsity <= 0.0 ? -1.0f : seen_[site_of(p)].quantile(sparsity);
}

void block_trial::project(projection p, const std::vector<double>& sparsity, const_rows x, rows y) {
  const config& c = model_.shape();
  multiply(exec_, weights_[c.index_of(p)],
           sparsellm::sparsifier{sparsellm::magnitude{},
                                 sparsellm::above{threshold(p, sparsity[c.index_of(p)])}},
           x, y);
  const std::vector<float>& bias = block_.reading(site_of(p)).bias();
  if (bias.empty()) return;
  const std::size_t first = c.first_output_of(p);
  for (std::size_t t = 0; t < y.rows(); ++t)
    for (std::size_t i = 0; i < y.cols(); ++i) y(t, i) += bias[first + i];
}

// Of gate and up, or up alone.
void block_trial::activate(const state& s) {
  if (model_.shape().is_gated())
    return sparsellm::gate(exec_, vector_view<const float>(s.gate), vector_view<const float>(s.up),
                           vector_view<float>(hidden_));
  for (std::size_t i = 0; i < hidden_.size(); ++i) hidden_[i] = std::max(s.up[i], 0.0f);
}

// q, k and v of the last halves; attend_to() turns them in place, so it gets a copy.
void block_trial::attend(state& s) {
  const config& c = model_.shape();
  const std::size_t width = c.query_width() + 2 * c.kv_width();
  buffer<float> turned = s.qkv.clone();
  buffer<float> a(half_ * c.query_width());
  for (std::size_t w = 0; w < windows_; ++w) {
    const rows out(a.data(), half_, c.query_width());
    steps_.attend_to(block_, rows(turned.data() + w * half_ * width, half_, width), length_ - half_,
                     caches_[w], out);
    std::copy_n(&out(half_ - quarter_, 0), quarter_ * c.query_width(),
                s.attention.data() + w * quarter_ * c.query_width());
  }
}

void block_trial::run(const std::vector<double>& sparsity, projection changed, const state& from,
                      state& to) {
  const config& c = model_.shape();
  const std::size_t n = windows_ * quarter_;
  const std::size_t width = c.query_width() + 2 * c.kv_width();
  const activation_site site = site_of(changed);
  const auto view = [&](buffer<float>& b, std::size_t cols) { return rows(b.data(), n, cols); };

  if (site == activation_site::attention_input) {
    copy(from.qkv, to.qkv);
    const std::size_t column = changed == projection::q   ? 0
                               : changed == projection::k ? c.query_width()
                                                          : c.query_width() + c.kv_width();
    project(changed, sparsity, const_rows(h1_.data(), windows_ * half_, c.width),
            rows(to.qkv.data() + column, windows_ * half_, c.extents_of(changed).outputs, width));
    attend(to);
  } else {
    copy(from.attention, to.attention);
  }
  if (site <= activation_site::attention_output) {
    project(projection::o, sparsity, view(to.attention, c.query_width()), view(to.stream, c.width));
    for (std::size_t i = 0; i < n * c.width; ++i) to.stream[i] += x_[i];
  } else {
    copy(from.stream, to.stream);
  }
  if (site <= activation_site::mlp_input) {
    steps_.normalise(view(to.stream, c.width), block_.mlp_norm, view(h2_, c.width));
    for (const projection p : c.readers(activation_site::mlp_input)) {
      const buffer<float>& was = p == projection::gate ? from.gate : from.up;
      buffer<float>& is = p == projection::gate ? to.gate : to.up;
      if (site < activation_site::mlp_input || changed == p)
        project(p, sparsity, view(h2_, c.width), view(is, c.hidden));
      else
        copy(was, is);
    }
  } else {
    copy(from.gate, to.gate);
    copy(from.up, to.up);
  }
  activate(to);
  project(projection::down, sparsity, view(hidden_, c.hidden), view(to.out, c.width));
  for (std::size_t i = 0; i < n * c.width; ++i) to.out[i] += to.stream[i];
}

double block_trial::distance(const state& s) const {
  const std::size_t width = model_.shape().width;
  double sum = 0;
  if (norm_ == error_norm::token) {
    for (std::size_t r = 0; r < windows_ * quarter_; ++r) {
      double square = 0;
      for (std::size_t i = r * width; i < (r + 1) * width; ++i) {
        const auto d = static_cast<double>(s.out[i] - dense_[i]);
        square += d * d;
      }
      sum += std::sqrt(square);
    }
    return sum / static_cast<double>(windows_ * quarter_);
  }
  for (std::size_t w = 0; w < windows_; ++w) {
    std::vector<double> square(width, 0.0);
    for (std::size_t r = w * quarter_; r < (w + 1) * quarter_; ++r)
      for (std::size_t c = 0; c < width; ++c) {
        const auto d = static_cast<double>(s.out[r * width + c] - dense_[r * width + c]);
        square[c] += d * d;
      }
    for (const double v : square) sum += std::sqrt(v);
  }
  return sum / static_cast<double>(windows_ * width);
}

double block_trial::error(const std::vector<double>& sparsity, projection changed) {
  run(sparsity, changed, kept_, trial_);
  return distance(trial_);
}

void block_trial::keep(const std::vector<double>& sparsity, projection changed) {
  run(sparsity, changed, kept_, kept_);
}

double block_trial::uniform_error(double sparsity) {
  const config& c = model_.shape();
  const std::vector<double> all(c.projections().size(), sparsity);
  for (const projection p : c.readers(activation_site::attention_input))
    run(all, p, p == projection::q ? kept_ : trial_, trial_);
  return distance(trial_);
}

}  // namespace llama
