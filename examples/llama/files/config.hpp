// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The numbers of a Llama-architecture model, read from GGUF metadata and checked. Where a file is
// silent, the defaults are those of llama.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "files/model_file.hpp"
#include "files/projection.hpp"
#include "sparsellm/core/views.hpp"

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
  // The channels of an activation, and the shape of a projection's weight.
  [[nodiscard]] std::size_t channels_of(activation_site site) const noexcept;
  [[nodiscard]] sparsellm::extents extents_of(projection p) const noexcept;
};

// Llama 3.1's scaling of long contexts: what each of head_size / 2 rotary frequencies is divided
// by. Low frequencies by the factor, high ones by 1, between them it is smooth.
struct llama3_scaling {
  double factor = 8, low_frequency = 1, high_frequency = 4, context = 8192;
};
[[nodiscard]] std::vector<float> rope_divisors(const llama3_scaling& s, double base,
                                               std::size_t head_size);

// Throws sparsellm::format_error for what is no model, or one of another architecture.
void check_architecture(const model_file& file);

// Throws sparsellm::format_error as check_architecture() does, and for numbers that do not fit
// together, values that are not supported, and keys of the metadata that are neither read nor known
// to be harmless (known_keys.hpp).
[[nodiscard]] config read_config(const model_file& file);

// Every tensor that the model needs is there, in its shape, and no other. Throws format_error.
void check_tensors(const model_file& file, const config& c);

// A projection's weight [outputs, inputs]. Throws format_error when it is missing or has another
// shape.
[[nodiscard]] const tensor& weight_of(const model_file& file, const config& c, std::size_t layer,
                                      projection p);

}  // namespace llama
