// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding on the CPU: the forward pass and the caches of one sequence, or of several side by side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/decoder.hpp"
#include "model/forward.hpp"
#include "model/kv_cache.hpp"
#include "model/model.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

// One sequence, with a cache for each block.
class session final : public decoder {
 public:
  session(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
          std::size_t positions);

  // Appends tokens and returns the residual stream [tokens, width] after the last block, valid
  // until the next call. Positions below dense_prefix use every channel. Throws shape_error when
  // the tokens do not fit.
  [[nodiscard]] const_rows advance(const std::vector<std::int32_t>& tokens,
                                   std::size_t dense_prefix,
                                   const activation_observer* observe = nullptr);
  void append(const std::vector<std::int32_t>& tokens, std::size_t dense_prefix,
              const activation_observer* observe) override {
    (void)advance(tokens, dense_prefix, observe);
  }
  void logits(std::size_t first, rows out) override {
    const std::size_t width = model_.shape().width;
    forward_.logits({x_.data() + first * width, out.rows(), width}, out);
  }
  void rewind(std::size_t position = 0) noexcept override {
    position_ = std::min(position, position_);
  }
  [[nodiscard]] likeliest best(std::size_t row) override {
    if (logits_.size() == 0) logits_ = sparsellm::buffer<float>(vocabulary());
    const rows out(logits_.data(), 1, vocabulary());
    logits(row, out);
    return likeliest_of(out.row(0));
  }
  // It computes where it is called, with the thresholds that the model has then.
  void finish() override {}
  void thresholds_changed() override {}
  [[nodiscard]] std::size_t position() const noexcept override { return position_; }
  [[nodiscard]] std::size_t capacity() const noexcept override { return positions_; }
  [[nodiscard]] std::size_t cache_bytes() const noexcept override;
  [[nodiscard]] std::size_t vocabulary() const noexcept override {
    return model_.shape().vocabulary;
  }
  [[nodiscard]] forward& steps() noexcept { return forward_; }

 private:
  const model& model_;
  forward forward_;
  std::vector<kv_cache> caches_;
  sparsellm::buffer<float> x_, logits_;
  std::size_t max_tokens_, positions_, position_ = 0;
};

// Sequences side by side, with a cache for each block of each sequence.
class sequences final : public batch_decoder {
 public:
  sequences(sparsellm::cpu::executor& exec, const model& m, std::size_t count,
            std::size_t positions);

  // Appends one token to each and returns the residual stream [count, width], valid until the next
  // call. Throws shape_error for another number of tokens or beyond the last position.
  [[nodiscard]] const_rows advance(const std::vector<std::int32_t>& tokens, bool dense);
  void step(const std::vector<std::int32_t>& tokens, bool dense, rows out) override {
    forward_.logits(advance(tokens, dense), out);
  }
  void rewind() noexcept { position_ = 0; }
  [[nodiscard]] forward& steps() noexcept { return forward_; }

 private:
  const model& model_;
  forward forward_;
  std::vector<std::vector<kv_cache>> caches_;  // [layers][sequences]
  sparsellm::buffer<float> x_;
  std::size_t count_, positions_, position_ = 0;
};

}  // namespace llama
