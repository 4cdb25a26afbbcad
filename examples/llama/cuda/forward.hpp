// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The steps of model/forward.hpp on the device; a block is named by its number. All memory is the
// device's; matrices are row-major without gaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/embedding.hpp"
#include "cuda/linear.hpp"
#include "cuda/steps.hpp"
#include "model/model.hpp"
#include "sparsellm/cuda/device_buffer.cuh"
#include "sparsellm/cuda/executor.cuh"

namespace llama {

class cuda_forward {
 public:
  // Copies the model's weights to the device, with a cache for `positions` of `sequences`. Throws
  // device_error where there is no GPU.
  cuda_forward(const model& m, std::size_t max_tokens, std::size_t positions,
               std::size_t sequences);

  // The model's projections that read this activation, or all, skip something else now.
  void reread(std::size_t layer, activation_site site);
  void reread();
  // The model's weights that read this activation are others now.
  void replace(std::size_t layer, activation_site site);

  // out [tokens, width] = x normalised, in the order that the block's attention or feed-forward
  // layer wants.
  void normalise(std::size_t layer, activation_site site, const float* x, std::size_t tokens,
                 float* out);
  // out [tokens, query_width] = attention of h, whose rows stand `at`; stores keys and values.
  void attend(std::size_t layer, const float* h, std::size_t tokens, cached_rows at,
              std::size_t dense_rows, float* out);
  // x [tokens, width] += W · in, W what reads `site`: attention_output or mlp_hidden.
  void add_product(std::size_t layer, activation_site site, const float* in, std::size_t tokens,
                   std::size_t dense_rows, float* x);
  // out [tokens, hidden] = what the MLP's activation function gives for h
  void activate(std::size_t layer, const float* h, std::size_t tokens, std::size_t dense_rows,
                float* out);
  // silu(gate · h) [tokens, hidden]; valid until the next call.
  [[nodiscard]] const_device_rows gates(std::size_t layer, const float* h, std::size_t tokens);
  // out [tokens, vocabulary] from the stream x after the last block
  void logits(const float* x, std::size_t tokens, float* out);

  // Gives the device tokens and the position that they stand at or from. Waits until it has read
  // the last ones when there are several. Throws as model::embed() does.
  [[nodiscard]] cached_rows place(const std::vector<std::int32_t>& tokens, std::size_t position,
                                  bool together);
  // Where rows stand that the device places itself: the host knows the position, and many have the
  // same `end`.
  [[nodiscard]] cached_rows step_at(std::size_t position, bool together) const noexcept;
  // Throws as model::embed() does.
  void check(std::int32_t token, std::size_t position);
  // x [tokens, width] = the embeddings of the device's tokens
  void embed(cached_rows at, std::size_t tokens, float* x);

  // The device's tokens, and their place.
  [[nodiscard]] std::int32_t* ids() noexcept { return ids_.data(); }
  [[nodiscard]] text_place* text() noexcept { return text_.data(); }

  [[nodiscard]] sparsellm::cuda::executor& executor() noexcept { return exec_; }
  [[nodiscard]] const model& of() const noexcept { return model_; }
  [[nodiscard]] std::size_t cache_bytes() const noexcept;

 private:
  struct norm {
    sparsellm::cuda::device_buffer<float> gain, bias;     // bias of size 0: none
    sparsellm::cuda::device_buffer<std::uint32_t> order;  // of size 0: none

    norm(sparsellm::cuda::executor& exec, const norm_step& n);
    [[nodiscard]] cuda_norm parameters() const noexcept;
  };
  struct layer {
    norm attention_norm, mlp_norm;
    cuda_linear qkv, out, gate_up, down;
    sparsellm::cuda::device_buffer<float> q_norm, k_norm;  // of heads; of size 0: none
    std::size_t window;
    sparsellm::cuda::device_buffer<float> keys, values;  // [sequences][kv_heads][positions][..]

    layer(sparsellm::cuda::executor& exec, const block& b, std::size_t cache);
    [[nodiscard]] cuda_linear& reading(activation_site site) noexcept;
  };
  void normalise(const norm& n, const float* x, std::size_t tokens, float* out);
  void activate_gated(std::size_t layer, const float* h, std::size_t tokens, std::size_t dense_rows,
                      float* out);

  const model& model_;
  attention_shape attention_;
  sparsellm::cuda::executor exec_;  // outlives what it allocated
  std::size_t cache_;               // floats of a layer's keys
  norm final_norm_;
  cuda_linear head_;
  std::vector<layer> layers_;
  cuda_embedding embeddings_;
  std::optional<cuda_embedding> learned_positions_;
  sparsellm::cuda::device_buffer<std::int32_t> ids_;
  sparsellm::cuda::device_buffer<text_place> text_;
  std::vector<std::int32_t> placed_;  // ids on their way
  std::vector<float> checked_;        // an embedding
  sparsellm::cuda::device_buffer<float> rotary_, qkv_, attention_scratch_, both_, product_,
      centred_;
};

}  // namespace llama
