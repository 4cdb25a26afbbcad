// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model is made of: its numbers and its blocks' parts, read from GGUF metadata and checked.
// Where a file is silent, the defaults are those of llama.cpp.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "files/family.hpp"
#include "files/model_file.hpp"
#include "files/projection.hpp"
#include "files/rotary.hpp"
#include "sparsellm/core/views.hpp"

namespace llama {

struct config {
  std::string name;
  std::string architecture;  // GGUF's name, which begins the metadata's keys
  block_parts parts;
  std::size_t layers, width, hidden;       // hidden: of the MLP
  std::size_t heads, kv_heads, head_size;  // heads is a multiple of kv_heads
  std::size_t vocabulary, context;
  float norm_epsilon;
  rotary rotation;                   // of size 0 with learned positions
  std::size_t position_offset;       // learned positions: the table's row of the first token
  per_projection<bool> has_bias;     // the same in all blocks
  std::vector<std::size_t> windows;  // [layers]: positions that a token sees, itself too; 0: all

  [[nodiscard]] std::size_t query_width() const noexcept { return heads * head_size; }
  [[nodiscard]] std::size_t kv_width() const noexcept { return kv_heads * head_size; }
  // The channels of an activation, and the shape of a projection's weight.
  [[nodiscard]] std::size_t channels_of(activation_site site) const noexcept;
  [[nodiscard]] sparsellm::extents extents_of(projection p) const noexcept;

  // The projections that a block has, and those that read an activation: neighbours of the former.
  [[nodiscard]] std::span<const projection> projections() const noexcept {
    return projections_of(is_gated());
  }
  [[nodiscard]] std::span<const projection> readers(activation_site site) const noexcept {
    return readers_of(site, is_gated());
  }
  // A projection's place among either.
  [[nodiscard]] std::size_t index_of(projection p) const noexcept;
  [[nodiscard]] std::size_t place_of(projection p) const noexcept {
    return index_of(p) - index_of(readers(site_of(p)).front());
  }
  // Where its outputs begin among those of all readers of its activation.
  [[nodiscard]] std::size_t first_output_of(projection p) const noexcept;
  [[nodiscard]] bool is_gated() const noexcept { return parts.mlp == mlp_kind::gated_silu; }
};

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
