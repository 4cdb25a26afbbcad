// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A forward pass that is remembered, and the way back through it: gradients of a loss of the logits
// with respect to what every projection reads and gives. Weights are frozen. Gradients pass through
// channels that are skipped as through others (straight through, arXiv 1308.3432): what is skipped
// counts as a constant that was taken away. A channel that moves is skipped here and kept there; on
// average over its values, what is kept of it changes nearly as much as it does, and the choice as
// it stands now would let through much less.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "model/forward.hpp"
#include "model/kv_cache.hpp"
#include "model/model.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/model/any_weight.hpp"

namespace llama {

class head_gradient;

// Changes logits [n, vocabulary], of the recorded rows [first, first + n), to the loss's gradient
// with respect to them.
using logits_gradient = std::function<void(std::size_t first, rows logits)>;

// Sees the loss's gradients at one projection, layers and projections from the last to the first:
// of_output [tokens, outputs] and of_input [tokens, inputs], the latter with respect to what this
// projection alone reads, skipped channels too, and that input. Valid until it returns.
using gradient_observer = std::function<void(std::size_t layer, projection p, const_rows of_output,
                                             const_rows of_input, const_rows input)>;

// Throws value_error for parts of a family that have no way back here, naming them: LayerNorm,
// norms of heads, learned positions, an MLP without a gate.
void check_way_back(const config& c);

class recorded_pass {
 public:
  // For up to max_tokens rows at positions below `positions`. Packs the weights transposed, which
  // takes their memory once more, and max_tokens · 4 bytes for every number between the products
  // of all blocks. Throws as check_way_back() does.
  recorded_pass(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
                std::size_t positions);
  ~recorded_pass();

  // Takes tokens through the model, from position `first` on; `caches` [layers] have the earlier
  // ones. Rows skip as the model's thresholds say, or nothing when `dense`. Returns the residual
  // stream [tokens, width] after the last block, valid until the next call. Throws shape_error for
  // no tokens or too many, value_error when the model selects by top-k or by its gate (CATS).
  const_rows run(const std::vector<std::int32_t>& tokens, std::size_t first, bool dense,
                 std::vector<kv_cache>& caches);

  // Goes back through the last run(), whose caches are needed still. `of_logits` is called for a
  // slice of the rows at a time. The same bits for every number of threads.
  void reverse(const logits_gradient& of_logits, const gradient_observer& saw);

  [[nodiscard]] forward& steps() noexcept { return steps_; }

 private:
  // What a block's way back asks for, [tokens, ...] each.
  struct block_record {
    sparsellm::buffer<float> before;    // the residual stream
    sparsellm::buffer<float> qkv;       // q and k turned by their positions
    sparsellm::buffer<float> attended;  // what o reads
    sparsellm::buffer<float> between;   // the residual stream before the MLP
    sparsellm::buffer<float> gate_up;
  };

  [[nodiscard]] rows view(sparsellm::buffer<float>& b, std::size_t width) const noexcept {
    return {b.data(), tokens_, width};
  }
  void check(const block& b) const;
  void run_block(std::size_t layer, bool dense, rows x);
  void reverse_block(std::size_t layer, rows gradient, const gradient_observer& saw);
  void reverse_head(const logits_gradient& of_logits, rows gradient);
  void reverse_products(std::size_t layer, activation_site site, const_rows of_outputs,
                        const_rows inputs, rows of_inputs, const gradient_observer& saw);
  void reverse_norm(const_rows x, const norm_step& norm, const_rows of_output, rows of_x);
  void reverse_gate(const_rows gate_up, const_rows of_hidden, rows of_gate_up);
  void reverse_attention(std::size_t layer, const_rows of_attended, rows of_qkv);

  sparsellm::cpu::executor& exec_;
  const model& model_;
  std::size_t max_tokens_;
  forward steps_;
  std::vector<per_projection<std::unique_ptr<sparsellm::any_weight>>> transposed_;  // [layers]
  std::unique_ptr<sparsellm::any_weight> transposed_head_;
  std::vector<float> rotary_;  // [positions][rotation.size / 2] pairs of cos, sin
  std::vector<block_record> records_;
  sparsellm::buffer<float> stream_;
  kv_cache swapped_;  // values as keys and keys as values
  std::vector<std::unique_ptr<head_gradient>> workers_;

  std::size_t tokens_ = 0, first_ = 0;  // of the last run
  std::vector<kv_cache>* caches_ = nullptr;
};

}  // namespace llama
