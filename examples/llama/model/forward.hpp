// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The forward pass, one step of a block a function, for one token (decode) or many (prefill). The
// rows [0, dense_rows) of a batch use every channel, the others skip below the thresholds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/decoder.hpp"
#include "model/kv_cache.hpp"
#include "model/model.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/normalised.hpp"

namespace llama {

class forward {
 public:
  // For batches of up to max_tokens and positions below `positions`.
  forward(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
          std::size_t positions);

  // out [tokens, width] = x normalised to a root mean square of 1, times the gain, in its order
  void normalise(const_rows x, const norm_step& norm, rows out);

  // out [tokens, heads · head_size] = attention of h [tokens, width], whose first row stands at
  // position `first`; stores keys and values in the cache.
  void attend(const block& b, const_rows h, std::size_t first, std::size_t dense_rows,
              kv_cache& cache, rows out);

  // x [tokens, width] += W · in
  void add_product(const stack& w, const_rows in, std::size_t dense_rows, rows x);

  // out [tokens, hidden] = silu(gate · h) ∘ (up · h)
  void gate(const block& b, const_rows h, std::size_t dense_rows, rows out);

  // out [tokens, hidden] = silu(gate · h), dense
  void gates(const block& b, const_rows h, rows out);

  // A whole block: x [tokens, width] in and out.
  void run_block(std::size_t layer, rows x, std::size_t first, std::size_t dense_rows,
                 kv_cache& cache, const activation_observer* observe);

  // A whole block of one step of many sequences: row i of x [sequences, width] is the token at
  // `position` of the sequence whose cache is caches[i].
  void run_sequences(std::size_t layer, rows x, std::size_t position, bool dense,
                     std::vector<kv_cache>& caches);

  // out [tokens, vocabulary] from the residual stream x after the last block
  void logits(const_rows x, rows out);

  // As much of attend() as follows the product: qkv [tokens, ..] holds [q; k; v] of each row.
  void attend_to(rows qkv, std::size_t first, kv_cache& cache, rows out);

  [[nodiscard]] sparsellm::cpu::executor& executor() noexcept { return exec_; }

 private:
  [[nodiscard]] sparsellm::normalised in_stream_order(sparsellm::vector_view<const float> x,
                                                      const norm_step& norm) const;
  void decode_block(const block& b, sparsellm::vector_view<float> x, std::size_t position,
                    kv_cache& cache);
  void sparse_of_norm(const stack& w, sparsellm::vector_view<const float> x, const norm_step& norm,
                      sparsellm::vector_view<float> y);
  void gate_rows(const block& b, sparsellm::vector_view<const float> x);
  void product(const stack& w, const_rows x, std::size_t dense_rows, rows y);
  void rotate(float* head, std::size_t position) const noexcept;
  void attend_head(std::size_t worker, std::size_t head, const_rows qkv, std::size_t row,
                   std::size_t count, std::size_t first, const kv_cache& cache, rows out);
  [[nodiscard]] rows scratch(sparsellm::buffer<float>& b, std::size_t n, std::size_t width);

  sparsellm::cpu::executor& exec_;
  const model& model_;
  std::vector<float> rotary_;  // [positions][rotary_size / 2] pairs of cos, sin
  sparsellm::buffer<float> h_, qkv_, attention_, gate_up_, hidden_, product_;
  sparsellm::active_set<> live_;  // what the gate leaves for down
  // Heads are independent: each worker multiplies on its own, one-threaded.
  std::vector<std::unique_ptr<sparsellm::cpu::executor>> workers_;
  std::vector<sparsellm::buffer<float>> scores_;  // [worker][query_rows, positions]
};

// On the CPU: the forward pass and the caches of all blocks.
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

// On the CPU: a cache of each block for each sequence.
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
