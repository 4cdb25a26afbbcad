// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// A Llama-shaped model of random weights, made in memory: for speed and memory at sizes that need
// no download. What it writes means nothing.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "files/model_file.hpp"
#include "sparsellm/core/buffer.hpp"

namespace llama {

struct model_shape {
  std::size_t layers, width, hidden, heads, kv_heads;
};
// "1b", "3b", "7b", "8b", "13b", "70b" (Llama's of that size), or LAYERS,WIDTH,HIDDEN,HEADS,KV.
// Throws value_error for anything else, numbers that do not fit together, or widths that are no
// multiple of 32.
[[nodiscard]] model_shape parse_shape(const std::string& text);

class random_model final : public model_file {
 public:
  static constexpr std::size_t vocabulary = 32000;

  // Weights of standard deviation 1 / sqrt(inputs), so that activations stay in range, the head
  // apart from the embeddings. type: f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, q4_k,
  // q5_k or q6_k. Throws value_error when rows are no whole blocks. Layers share bytes, from
  // different rows on; what is packed of them is each layer's own.
  random_model(const std::string& name, const model_shape& shape, tensor_type type);

 private:
  void add_weight(const std::string& name, std::size_t rows, std::size_t cols);
  void add_norm(const std::string& name, std::size_t width);

  tensor_type type_;
  std::map<std::size_t, sparsellm::buffer<std::byte>> rows_;  // by the number of columns
  sparsellm::buffer<float> ones_;
};

}  // namespace llama
