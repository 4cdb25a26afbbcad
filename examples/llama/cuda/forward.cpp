// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/forward.hpp"

#include <algorithm>

#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/copy.cuh"

namespace llama {

using sparsellm::require;
using sparsellm::vector_view;
using sparsellm::cuda::to_device;

cuda_forward::norm::norm(sparsellm::cuda::executor& exec, const norm_step& n)
    : gain(to_device(exec, vector_view<const float>(n.gain))),
      bias(to_device(exec, vector_view<const float>(n.bias))),
      order(to_device(
          exec, vector_view<const std::uint32_t>(n.order.channels().data(), n.order.size()))) {
  exec.wait();  // for what is copied from the model
}

cuda_norm cuda_forward::norm::parameters() const noexcept {
  return {gain.data(), bias.size() == 0 ? nullptr : bias.data(),
          order.size() == 0 ? nullptr : order.data()};
}

cuda_forward::layer::layer(sparsellm::cuda::executor& exec, const block& b, std::size_t cache)
    : attention_norm(exec, b.attention_norm),
      mlp_norm(exec, b.mlp_norm),
      qkv(exec, b.qkv),
      out(exec, b.out),
      gate_up(exec, b.gate_up),
      down(exec, b.down),
      q_norm(to_device(exec, vector_view<const float>(b.q_norm))),
      k_norm(to_device(exec, vector_view<const float>(b.k_norm))),
      window(b.window),
      keys(exec.stream(), cache),
      values(exec.stream(), cache) {}

cuda_linear& cuda_forward::layer::reading(activation_site site) noexcept {
  cuda_linear* const stacks[] = {&qkv, &out, &gate_up, &down};
  return *stacks[static_cast<std::size_t>(site)];
}

cuda_forward::cuda_forward(const model& m, std::size_t max_tokens, std::size_t positions,
                           std::size_t sequences)
    : model_(m),
      attention_{static_cast<unsigned>(m.shape().heads),
                 static_cast<unsigned>(m.shape().kv_heads),
                 static_cast<unsigned>(m.shape().head_size),
                 static_cast<unsigned>(m.shape().rotation.size),
                 static_cast<unsigned>(positions),
                 m.shape().norm_epsilon},
      cache_(m.shape().kv_width() * positions * sequences),
      final_norm_(exec_, m.final_norm()),
      head_(exec_, m.head()),
      embeddings_(exec_, m.embeddings()),
      ids_(exec_.allocate<std::int32_t>(max_tokens)),
      text_(exec_.allocate<text_place>(1)),
      checked_(m.shape().width) {
  const config& c = m.shape();
  require<sparsellm::shape_error>(positions <= c.context, "model: at most ", c.context,
                                  " positions, got ", positions);
  layers_.reserve(c.layers);
  for (const block& b : m.blocks()) layers_.emplace_back(exec_, b, cache_);
  const std::vector<float> rotary = m.rotary_table(positions);
  rotary_ = to_device(exec_, vector_view<const float>(rotary));
  if (const tensor* const learned = m.learned_positions())
    learned_positions_.emplace(exec_, *learned);
  const text_place beginning{};
  sparsellm::cuda::copy(exec_, vector_view<const text_place>(&beginning, 1), text_.view());
  qkv_ = exec_.allocate<float>(max_tokens * attention_.row());
  attention_scratch_ = exec_.allocate<float>(cuda_attention_scratch(attention_, max_tokens));
  both_ = exec_.allocate<float>(max_tokens * 2 * c.hidden);
  product_ = exec_.allocate<float>(max_tokens * c.width);
  centred_ = exec_.allocate<float>(max_tokens * std::max({c.width, c.hidden, c.query_width()}));
  exec_.wait();
}

void cuda_forward::reread(std::size_t l, activation_site site) {
  const block& b = model_.blocks()[l];
  layers_[l].reading(site).reread(exec_, b.reading(site));
}

void cuda_forward::replace(std::size_t l, activation_site site) {
  layers_[l].reading(site) = cuda_linear(exec_, model_.blocks()[l].reading(site));
}

void cuda_forward::reread() {
  for (std::size_t l = 0; l < layers_.size(); ++l)
    for (const activation_site site : activation_sites) reread(l, site);
}

void cuda_forward::normalise(const norm& n, const float* x, std::size_t tokens, float* out) {
  cuda_normalise(exec_, x, tokens, model_.shape().width, n.parameters(),
                 model_.shape().norm_epsilon, out);
}

void cuda_forward::normalise(std::size_t l, activation_site site, const float* x,
                             std::size_t tokens, float* out) {
  normalise(
      site == activation_site::attention_input ? layers_[l].attention_norm : layers_[l].mlp_norm, x,
      tokens, out);
}

void cuda_forward::attend(std::size_t l, const float* h, std::size_t tokens, cached_rows at,
                          std::size_t dense_rows, float* out) {
  layer& b = layers_[l];
  b.qkv.multiply(exec_, {h, tokens, model_.shape().width}, dense_rows,
                 {qkv_.data(), tokens, attention_.row()}, centred_.data());
  if (b.q_norm.size() != 0)
    cuda_normalise_heads(exec_, attention_, qkv_.data(), tokens, b.q_norm.data(), b.k_norm.data());
  cuda_rotate_and_store(exec_, attention_, qkv_.data(), tokens, at, rotary_.data(), b.keys.data(),
                        b.values.data());
  cuda_attend(exec_, attention_, qkv_.data(), tokens, at, b.window, b.keys.data(), b.values.data(),
              attention_scratch_.data(), out);
}

void cuda_forward::add_product(std::size_t l, activation_site site, const float* in,
                               std::size_t tokens, std::size_t dense_rows, float* x) {
  const config& c = model_.shape();
  const cuda_linear& w = layers_[l].reading(site);
  const const_device_rows from(in, tokens, c.channels_of(site));
  const device_rows to(product_.data(), tokens, c.width);
  if (site == activation_site::mlp_hidden && model_.blocks()[l].gate_threshold >= 0.0f)
    w.multiply_nonzero(exec_, from, to);  // what the gate left out is 0
  else
    w.multiply(exec_, from, dense_rows, to, centred_.data());
  cuda_add(exec_, product_.data(), tokens * c.width, x);
}

void cuda_forward::activate(std::size_t l, const float* h, std::size_t tokens,
                            std::size_t dense_rows, float* out) {
  const config& c = model_.shape();
  if (c.is_gated()) return activate_gated(l, h, tokens, dense_rows, out);
  layers_[l].gate_up.multiply(exec_, {h, tokens, c.width}, dense_rows, {out, tokens, c.hidden},
                              centred_.data());
  cuda_relu(exec_, tokens * c.hidden, out);
}

void cuda_forward::activate_gated(std::size_t l, const float* h, std::size_t tokens,
                                  std::size_t dense_rows, float* out) {
  const config& c = model_.shape();
  const float tau = model_.blocks()[l].gate_threshold;
  const std::size_t dense = tau < 0.0f ? tokens : std::min(dense_rows, tokens);
  if (dense != 0)
    layers_[l].gate_up.multiply_gated(exec_, {h, dense, c.width}, dense_rows,
                                      {both_.data(), dense, 2 * c.hidden}, {out, dense, c.hidden},
                                      centred_.data());
  if (dense == tokens) return;
  const std::size_t rest = tokens - dense;
  layers_[l].gate_up.multiply_above(exec_, {h + dense * c.width, rest, c.width}, tau,
                                    {both_.data(), rest, 2 * c.hidden});
  cuda_multiply_above(exec_, both_.data(), rest, c.hidden, tau, out + dense * c.hidden);
}

const_device_rows cuda_forward::gates(std::size_t l, const float* h, std::size_t tokens) {
  const config& c = model_.shape();
  layers_[l].gate_up.multiply_above(exec_, {h, tokens, c.width}, -1.0f,
                                    {both_.data(), tokens, 2 * c.hidden});
  return {both_.data(), tokens, c.hidden, 2 * c.hidden};
}

void cuda_forward::logits(const float* x, std::size_t tokens, float* out) {
  const config& c = model_.shape();
  normalise(final_norm_, x, tokens, product_.data());
  head_.multiply(exec_, {product_.data(), tokens, c.width}, tokens, {out, tokens, c.vocabulary},
                 centred_.data());
}

cached_rows cuda_forward::place(const std::vector<std::int32_t>& tokens, std::size_t position,
                                bool together) {
  for (std::size_t t = 0; t < tokens.size(); ++t) check(tokens[t], position + (together ? 0 : t));
  if (tokens.size() > 1) {
    exec_.wait();
    placed_ = tokens;
    sparsellm::cuda::copy(
        exec_, vector_view<const std::int32_t>(placed_),
        vector_view<std::int32_t, sparsellm::device_space>(ids_.data(), placed_.size()));
  }
  cuda_place(exec_, tokens[0], position, ids_.data(), text_.data());
  return {&text_.data()->position, position + (together ? 1 : tokens.size()), together};
}

cached_rows cuda_forward::step_at(std::size_t position, bool together) const noexcept {
  return {&text_.data()->position, cuda_attention_end(attention_, position), together};
}

void cuda_forward::check(std::int32_t token, std::size_t position) {
  model_.embed(token, position, vector_view<float>(checked_));
}

void cuda_forward::embed(cached_rows at, std::size_t tokens, float* x) {
  embeddings_.look_up(exec_, ids_.data(), tokens, x);
  if (learned_positions_.has_value())
    learned_positions_->add_positions(exec_, at, model_.shape().position_offset, tokens, x);
}

std::size_t cuda_forward::cache_bytes() const noexcept {
  return layers_.size() * 2 * cache_ * sizeof(float);
}

}  // namespace llama
