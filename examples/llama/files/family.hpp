// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The model families that are read, and the parts that their blocks are made of. The forward pass
// knows parts alone.
#pragma once

#include <span>
#include <string_view>

namespace llama {

enum class norm_kind {
  rms,   // RMSNorm: x / rms(x) · gain
  layer  // LayerNorm: (x − mean) / deviation · gain + bias
};
enum class position_kind {
  rotary,  // q and k are turned by their position
  learned  // a row of a table is added to the embedding
};
enum class mlp_kind {
  gated_silu,  // down(silu(gate(x)) ∘ up(x))
  relu         // down(max(up(x), 0))
};

// What a block is made of. Biases and windows are further parts, which files say themselves.
struct block_parts {
  norm_kind norm = norm_kind::rms;
  bool head_norms = false;  // RMSNorm of each head of q and of k, before it is turned
  position_kind positions = position_kind::rotary;
  mlp_kind mlp = mlp_kind::gated_silu;
};

struct family {
  std::string_view model_type;    // in config.json
  std::string_view class_name;    // in config.json: transformers' class
  std::string_view architecture;  // in GGUF, where it also begins the keys
  bool in_gguf;                   // whether llama.cpp defines that architecture
  // GGUF's rows of q and k are halves of each head, as config.json's are; else neighbouring pairs.
  bool split_heads;
  block_parts parts;
};

[[nodiscard]] std::span<const family> families() noexcept;
// nullptr when there is none. Of two families of one GGUF architecture the first.
[[nodiscard]] const family* family_of_architecture(std::string_view name) noexcept;
[[nodiscard]] const family* family_of_model_type(std::string_view name) noexcept;

// For messages and inspect.
[[nodiscard]] std::string_view name(norm_kind kind) noexcept;
[[nodiscard]] std::string_view name(position_kind kind) noexcept;
[[nodiscard]] std::string_view name(mlp_kind kind) noexcept;

}  // namespace llama
