// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The numbers of a Llama-architecture model, read from GGUF metadata and checked.
#pragma once

#include <cstddef>
#include <string>

#include "gguf.hpp"

namespace llama {

struct config {
  std::string name;
  std::size_t layers, width, hidden;       // hidden: of the MLP
  std::size_t heads, kv_heads, head_size;  // heads is a multiple of kv_heads
  std::size_t rotary_size;                 // of each head, even
  std::size_t vocabulary, context;
  double rotary_base, rotary_scale;  // positions are divided by rotary_scale
  float norm_epsilon;

  [[nodiscard]] std::size_t query_width() const noexcept { return heads * head_size; }
  [[nodiscard]] std::size_t kv_width() const noexcept { return kv_heads * head_size; }
};

// Throws sparsellm::format_error for another architecture, numbers that do not fit together, or
// rotary scaling other than none, linear and Llama 3's (which comes as a tensor).
[[nodiscard]] config read_config(const gguf& file);

}  // namespace llama
