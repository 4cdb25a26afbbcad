// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/family.hpp"

namespace llama {

namespace {

constexpr block_parts of_llama{}, of_qwen3{norm_kind::rms, true},
    of_opt{norm_kind::layer, false, position_kind::learned, mlp_kind::relu};

constexpr family all[] = {
    {"llama", "LlamaForCausalLM", "llama", true, false, of_llama},
    {"mistral", "MistralForCausalLM", "llama", true, false, of_llama},
    {"qwen2", "Qwen2ForCausalLM", "qwen2", true, true, of_llama},
    {"qwen3", "Qwen3ForCausalLM", "qwen3", true, true, of_qwen3},
    {"opt", "OPTForCausalLM", "opt", false, false, of_opt},
};

}  // namespace

std::span<const family> families() noexcept { return all; }

const family* family_of_architecture(std::string_view name) noexcept {
  for (const family& f : all)
    if (f.architecture == name) return &f;
  return nullptr;
}

const family* family_of_model_type(std::string_view name) noexcept {
  for (const family& f : all)
    if (f.model_type == name) return &f;
  return nullptr;
}

std::string_view name(norm_kind kind) noexcept {
  return kind == norm_kind::rms ? "RMSNorm" : "LayerNorm";
}
std::string_view name(position_kind kind) noexcept {
  return kind == position_kind::rotary ? "rotary" : "learned";
}
std::string_view name(mlp_kind kind) noexcept {
  return kind == mlp_kind::gated_silu ? "silu(gate) * up" : "relu(up)";
}

}  // namespace llama
