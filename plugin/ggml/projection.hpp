// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Which tensors of a model are linear layers that this plugin takes, by their names in a GGUF file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ggml.h"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element_kind.hpp"

namespace sparsellm_ggml {

// Where a threshold table has the thresholds of a tensor: "blk.12.ffn_down.weight" is {12, "down"},
// "blk.3.attn_qkv.weight" {3, "attn_qkv"}. Nothing for tensors that are no projections of a block.
[[nodiscard]] std::optional<sparsellm::site> site_of(std::string_view tensor);

// Outputs and inputs of a weight, of each matrix when it has one for each expert.
[[nodiscard]] inline sparsellm::extents shape_of(const ggml_tensor& weight) noexcept {
  return {static_cast<std::size_t>(weight.ne[1]), static_cast<std::size_t>(weight.ne[0])};
}

// What a weight is stored as, for those of ggml's types that the library keeps without loss.
[[nodiscard]] std::optional<sparsellm::element_kind> element_of(ggml_type type) noexcept;

// Whether the weight has a matrix for each expert of a mixture, by its name: what MUL_MAT_ID
// multiplies.
[[nodiscard]] bool is_of_experts(const ggml_tensor& weight) noexcept;

// Whether the plugin takes the weight. Looks at its name: asked when weights are placed and graphs
// planned.
[[nodiscard]] bool is_taken(const ggml_tensor& weight) noexcept;

// Weights with an equal name of a stack are packed together: of one block, the same input, and one
// type. Empty for a weight that is packed by itself.
[[nodiscard]] std::string stack_of(const ggml_tensor& weight);

// Why a weight that is not taken is left to ggml.
[[nodiscard]] std::string why_left(const ggml_tensor& weight);

}  // namespace sparsellm_ggml
