// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// forward.cpp's steps, in its order, on the device. The host looks up embeddings and is given
// logits; nothing in between waits for it, but for an observer.
#include "cuda_session.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "cuda_linear.hpp"
#include "cuda_steps.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/copy.cuh"
#include "sparsellm/cuda/executor.cuh"

namespace llama {

namespace {

using sparsellm::require;
using sparsellm::shape_error;
using sparsellm::vector_view;
using sparsellm::cuda::device_buffer;
using sparsellm::cuda::executor;

struct device_norm {
  device_buffer<float> gain;
  device_buffer<std::uint32_t> order;  // of size 0: none

  device_norm(executor& exec, const norm_step& n)
      : gain(sparsellm::cuda::to_device(exec, vector_view<const float>(n.gain))),
        order(sparsellm::cuda::to_device(
            exec, vector_view<const std::uint32_t>(n.order.channels().data(), n.order.size()))) {
    exec.wait();
  }
};

struct device_block {
  device_norm attention_norm, mlp_norm;
  cuda_linear qkv, out, gate_up, down;
  device_buffer<float> keys, values;  // [kv_heads][positions][head_size]

  device_block(executor& exec, const block& b, std::size_t cache)
      : attention_norm(exec, b.attention_norm),
        mlp_norm(exec, b.mlp_norm),
        qkv(exec, b.qkv.parts()),
        out(exec, b.out.parts()),
        gate_up(exec, b.gate_up.parts()),
        down(exec, b.down.parts()),
        keys(exec.stream(), cache),
        values(exec.stream(), cache) {
    require<sparsellm::value_error>(b.gate_threshold < 0.0f,
                                    "--device cuda: --score cats runs on the CPU alone");
  }
};

class cuda_session final : public decoder {
 public:
  cuda_session(const model& m, std::size_t max_tokens, std::size_t positions)
      : model_(m),
        max_tokens_(max_tokens),
        positions_(positions),
        attention_{static_cast<unsigned>(m.shape().heads),
                   static_cast<unsigned>(m.shape().kv_heads),
                   static_cast<unsigned>(m.shape().head_size),
                   static_cast<unsigned>(m.shape().rotary_size), static_cast<unsigned>(positions)},
        final_norm_(exec_, m.final_norm()),
        head_(exec_, m.head().parts()) {
    const config& c = m.shape();
    require<shape_error>(positions <= c.context, "model: at most ", c.context, " positions, got ",
                         positions);
    cache_ = c.kv_width() * positions;
    blocks_.reserve(c.layers);
    for (const block& b : m.blocks()) blocks_.emplace_back(exec_, b, cache_);
    std::vector<float> rotary;
    for (std::size_t p = 0; p < positions; ++p)
      for (const double frequency : m.rotary_frequencies()) {
        rotary.push_back(static_cast<float>(std::cos(static_cast<double>(p) * frequency)));
        rotary.push_back(static_cast<float>(std::sin(static_cast<double>(p) * frequency)));
      }
    rotary_ = sparsellm::cuda::to_device(exec_, vector_view<const float>(rotary));
    const auto room = [&](std::size_t width) { return exec_.allocate<float>(max_tokens * width); };
    x_ = room(c.width);
    h_ = room(c.width);
    qkv_ = room(attention_.row());
    attended_ = room(c.query_width());
    both_ = room(2 * c.hidden);
    hidden_ = room(c.hidden);
    product_ = room(c.width);
    exec_.wait();
  }

  void append(const std::vector<std::int32_t>& tokens, std::size_t dense_prefix,
              const input_observer* observe) override {
    const config& c = model_.shape();
    const std::size_t n = tokens.size();
    require<shape_error>(n != 0 && n <= max_tokens_ && position_ + n <= positions_, "session: ", n,
                         " tokens at position ", position_, ", 1 to ", max_tokens_,
                         " expected and ", positions_, " positions in all");
    exec_
        .wait();  // the last embeddings have been read; after logits() there is nothing to wait for
    embedded_.resize(n * c.width);
    for (std::size_t t = 0; t < n; ++t)
      model_.embed(tokens[t], vector_view<float>(&embedded_[t * c.width], c.width));
    sparsellm::cuda::copy(exec_, vector_view<const float>(embedded_),
                          vector_view<float, sparsellm::device_space>(x_.data(), n * c.width));
    const std::size_t dense = dense_prefix > position_ ? dense_prefix - position_ : 0;
    for (std::size_t l = 0; l < blocks_.size(); ++l) run_block(l, n, dense, observe);
    position_ += n;
  }

  void logits(std::size_t first, rows out) override {
    require<shape_error>(out.stride() == out.cols(), "session: logits of ", out.cols(),
                         " columns without gaps expected, got stride ", out.stride());
    const std::size_t width = model_.shape().width, n = out.rows();
    if (logits_.size() < n * out.cols()) logits_ = exec_.allocate<float>(n * out.cols());
    cuda_normalise(exec_, x_.data() + first * width, n, width, final_norm_.gain.data(),
                   order(final_norm_), model_.shape().norm_epsilon, h_.data());
    head_.multiply(exec_, {h_.data(), n, width}, n, {logits_.data(), n, out.cols()});
    sparsellm::cuda::copy(
        exec_, vector_view<const float, sparsellm::device_space>(logits_.data(), n * out.cols()),
        vector_view<float>(out.data(), n * out.cols()));
  }

  void rewind(std::size_t position) noexcept override { position_ = std::min(position, position_); }
  [[nodiscard]] std::size_t position() const noexcept override { return position_; }
  [[nodiscard]] std::size_t capacity() const noexcept override { return positions_; }
  [[nodiscard]] std::size_t vocabulary() const noexcept override {
    return model_.shape().vocabulary;
  }
  [[nodiscard]] std::size_t cache_bytes() const noexcept override {
    return blocks_.size() * 2 * cache_ * sizeof(float);
  }

 private:
  [[nodiscard]] static const std::uint32_t* order(const device_norm& n) {
    return n.order.size() == 0 ? nullptr : n.order.data();
  }

  void run_block(std::size_t layer, std::size_t n, std::size_t dense,
                 const input_observer* observe) {
    device_block& b = blocks_[layer];
    const config& c = model_.shape();
    const auto saw = [&](input where, const device_buffer<float>& in, std::size_t width) {
      if (observe == nullptr) return;
      std::vector<float> seen(n * width);
      sparsellm::cuda::copy(
          exec_, vector_view<const float, sparsellm::device_space>(in.data(), seen.size()),
          vector_view<float>(seen));
      (*observe)(layer, where, const_rows(seen.data(), n, width));
    };
    const auto normalise = [&](const device_norm& norm) {
      cuda_normalise(exec_, x_.data(), n, c.width, norm.gain.data(), order(norm), c.norm_epsilon,
                     h_.data());
    };
    const auto add_product = [&](const cuda_linear& w, const device_buffer<float>& in,
                                 std::size_t width) {
      w.multiply(exec_, {in.data(), n, width}, dense, {product_.data(), n, c.width});
      cuda_add(exec_, product_.data(), n * c.width, x_.data());
    };
    normalise(b.attention_norm);
    saw(input::attention, h_, c.width);
    b.qkv.multiply(exec_, {h_.data(), n, c.width}, dense, {qkv_.data(), n, attention_.row()});
    cuda_rotate_and_store(exec_, attention_, qkv_.data(), n, position_, rotary_.data(),
                          b.keys.data(), b.values.data());
    cuda_attend(exec_, attention_, qkv_.data(), n, position_, b.keys.data(), b.values.data(),
                attended_.data());
    saw(input::output, attended_, c.query_width());
    add_product(b.out, attended_, c.query_width());

    normalise(b.mlp_norm);
    saw(input::mlp, h_, c.width);
    b.gate_up.multiply_gated(exec_, {h_.data(), n, c.width}, dense, {both_.data(), n, 2 * c.hidden},
                             {hidden_.data(), n, c.hidden});
    saw(input::down, hidden_, c.hidden);
    add_product(b.down, hidden_, c.hidden);
  }

  const model& model_;
  std::size_t max_tokens_, positions_, position_ = 0, cache_ = 0;
  attention_shape attention_;
  executor exec_;  // outlives what it allocated
  device_norm final_norm_;
  cuda_linear head_;
  std::vector<device_block> blocks_;
  std::vector<float> embedded_;
  device_buffer<float> rotary_, x_, h_, qkv_, attended_, both_, hidden_, product_, logits_;
};

}  // namespace

std::unique_ptr<decoder> make_cuda_session(const model& m, std::size_t max_tokens,
                                           std::size_t positions) {
  return std::make_unique<cuda_session>(m, max_tokens, positions);
}

}  // namespace llama
