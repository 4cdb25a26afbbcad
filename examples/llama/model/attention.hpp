// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention between the products: heads are normalised and turned where the model does that, keys
// and values stored, and every head sees its sequence up to its own position, or a window of it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "model/decoder.hpp"
#include "model/kv_cache.hpp"
#include "model/model.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace llama {

class attention {
 public:
  // For batches of up to max_tokens and positions below `positions`.
  attention(sparsellm::cpu::executor& exec, const model& m, std::size_t max_tokens,
            std::size_t positions);

  // out [tokens, heads · head_size] of rows of one sequence, the first of them at position `first`.
  // qkv [tokens, ..] holds [q; k; v] of each, and is changed; keys and values go to the cache.
  void run(const block& b, rows qkv, std::size_t first, kv_cache& cache, rows out);

 private:
  struct task;  // rows of one head
  void prepare_head(float* head, const std::vector<float>& gain, std::size_t position) const;
  void rotate(float* head, std::size_t position) const noexcept;
  void attend(std::size_t worker, const task& t);

  sparsellm::cpu::executor& exec_;
  const config& shape_;
  std::vector<float> rotary_;  // [positions][size / 2] pairs of cos, sin
  // Heads are independent: each worker multiplies on its own, one-threaded.
  std::vector<std::unique_ptr<sparsellm::cpu::executor>> workers_;
  std::vector<sparsellm::buffer<float>> scores_;  // [worker][query_rows, positions]
};

}  // namespace llama
