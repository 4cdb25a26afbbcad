// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The forward pass, a function for each step of a block, for one token (decode) or many (prefill).
// The rows [0, dense_rows) of a batch use every channel, the others skip below the thresholds.
//
// `caches` says whose tokens the rows are: with one cache they follow one another in one sequence
// from `position` on, else row i is the token at `position` of the sequence that caches[i] belongs
// to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/attention.hpp"
#include "model/decoder.hpp"
#include "model/kv_cache.hpp"
#include "model/model.hpp"
#include "model/step_clock.hpp"
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

  // out [tokens, width] = x normalised as the model does it, in the norm's order
  void normalise(const_rows x, const norm_step& norm, rows out);

  // out [tokens, heads · head_size] = attention of h [tokens, width]; stores keys and values in the
  // caches.
  void attend(const block& b, const_rows h, std::size_t position, std::size_t dense_rows,
              std::span<kv_cache> caches, rows out);

  // y [tokens, outputs] = W · x and the stack's bias
  void product(const stack& w, const_rows x, std::size_t dense_rows, rows y);

  // x [tokens, width] += W · in
  void add_product(const stack& w, const_rows in, std::size_t dense_rows, rows x);

  // out [tokens, hidden] = what the MLP's activation function gives for h: silu(gate · h) ∘ (up ·
  // h) or max(up · h, 0)
  void activate(const block& b, const_rows h, std::size_t dense_rows, rows out);

  // out [tokens, hidden] = silu(gate · h), dense
  void gates(const block& b, const_rows h, rows out);

  // A whole block: x [tokens, width] in and out. observe may be null.
  void run_block(std::size_t layer, rows x, std::size_t position, std::size_t dense_rows,
                 std::span<kv_cache> caches, const activation_observer* observe);

  // out [tokens, vocabulary] from the residual stream x after the last block
  void logits(const_rows x, rows out);

  // What attend() does after the product, for rows of one sequence: attention::run().
  void attend_to(const block& b, rows qkv, std::size_t first, kv_cache& cache, rows out) {
    attention_.run(b, qkv, first, cache, out);
  }

  [[nodiscard]] sparsellm::cpu::executor& executor() noexcept { return exec_; }

  // Whoever starts the clock hears from it where the time of the steps after that goes. Null:
  // nobody listens. Borrows the clock.
  void use_clock(step_clock* clock) noexcept { clock_ = clock; }
  // A part of the step ends here.
  void passed(step_part part) noexcept {
    if (clock_ != nullptr) clock_->passed(part);
  }

 private:
  [[nodiscard]] sparsellm::normalised in_stream_order(sparsellm::vector_view<const float> x,
                                                      const norm_step& norm) const;
  void decode_block(const block& b, sparsellm::vector_view<float> x, std::size_t position,
                    kv_cache& cache);
  void sparse_of_norm(const stack& w, sparsellm::vector_view<const float> x, const norm_step& norm,
                      sparsellm::vector_view<float> y);
  void activate_gated(const block& b, const_rows h, std::size_t dense_rows, rows out);
  [[nodiscard]] bool list_hidden(const block& b, sparsellm::vector_view<const float> x);
  void list_gated(const block& b, sparsellm::vector_view<const float> x);
  void list_by_gate(const block& b, sparsellm::vector_view<const float> x);
  [[nodiscard]] const_rows centred(const stack& w, const_rows x);
  [[nodiscard]] rows scratch(sparsellm::buffer<float>& b, std::size_t n, std::size_t width);

  sparsellm::cpu::executor& exec_;
  const model& model_;
  attention attention_;
  sparsellm::buffer<float> h_, qkv_, attended_, gate_up_, hidden_, product_, centred_;
  sparsellm::active_set<> active_;  // what the gate leaves for down
  step_clock* clock_ = nullptr;
};

}  // namespace llama
