// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "projection.hpp"

#include <charconv>
#include <cstddef>

#include "sparsellm/core/error.hpp"

namespace sparsellm_ggml {

using sparsellm::concat;
using sparsellm::element_kind;

namespace {

// GGUF's names of the projections that are nothing but multiplied, and the names that threshold
// tables have for them.
// `stack`: those of a block with the same one read the same input.
struct known_projection {
  std::string_view tensor, site, stack;
  bool experts = false;
};
constexpr known_projection known[] = {
    {"attn_q", "q", "attention"},
    {"attn_k", "k", "attention"},
    {"attn_v", "v", "attention"},
    {"attn_output", "o", ""},
    {"ffn_gate", "gate", "mlp"},
    {"ffn_up", "up", "mlp"},
    {"ffn_down", "down", ""},
    {"attn_qkv", "attn_qkv", ""},
    // of a mixture, the expert that every token has, and all others
    {"ffn_gate_shexp", "gate_shexp", "shared expert"},
    {"ffn_up_shexp", "up_shexp", "shared expert"},
    {"ffn_down_shexp", "down_shexp", ""},
    {"ffn_gate_exps", "gate_exps", "", true},
    {"ffn_up_exps", "up_exps", "", true},
    {"ffn_down_exps", "down_exps", "", true},
    {"ffn_gate_up_exps", "gate_up_exps", "", true}};

// A tensor's layer and what tables call its projection; empty for tensors that are none.
struct place {
  std::size_t layer = 0;
  std::string_view projection, stack;
  bool experts = false;
};
place place_of(std::string_view tensor) noexcept {
  constexpr std::string_view block = "blk.", weight = ".weight";
  if (!tensor.starts_with(block) || !tensor.ends_with(weight)) return {};
  tensor.remove_prefix(block.size());
  tensor.remove_suffix(weight.size());
  std::size_t layer = 0;
  const auto [end, error] = std::from_chars(tensor.data(), tensor.data() + tensor.size(), layer);
  const auto digits = static_cast<std::size_t>(end - tensor.data());
  if (error != std::errc{} || digits == tensor.size() || tensor[digits] != '.') return {};
  tensor.remove_prefix(digits + 1);
  for (const known_projection& k : known)
    if (tensor == k.tensor) return {layer, k.site, k.stack, k.experts};
  return {};
}

bool is_head(std::string_view tensor) noexcept {
  // A model without a head of its own multiplies with the embeddings: llama.cpp then asks for a
  // second tensor of that name, to multiply with.
  return tensor == "output.weight" || tensor == "token_embd.weight";
}

}  // namespace

std::optional<sparsellm::site> site_of(std::string_view tensor) {
  const place p = place_of(tensor);
  if (p.projection.empty()) return std::nullopt;
  return sparsellm::site{p.layer, std::string(p.projection)};
}

std::string stack_of(const ggml_tensor& weight) {
  const place p = place_of(weight.name);
  if (p.stack.empty() || !is_taken(weight)) return {};
  return concat(p.layer, ' ', p.stack, ' ', ggml_type_name(weight.type), ' ', weight.ne[0]);
}

std::optional<element_kind> element_of(ggml_type type) noexcept {
  switch (type) {
    case GGML_TYPE_F32: return element_kind::f32;
    case GGML_TYPE_F16: return element_kind::f16;
    case GGML_TYPE_BF16: return element_kind::bf16;
    case GGML_TYPE_Q8_0: return element_kind::q8_0;
    case GGML_TYPE_Q4_0: return element_kind::q4_0;
    case GGML_TYPE_Q4_1: return element_kind::q4_1;
    case GGML_TYPE_Q5_0: return element_kind::q5_0;
    case GGML_TYPE_Q5_1: return element_kind::q5_1;
    case GGML_TYPE_IQ4_NL: return element_kind::iq4_nl;
    case GGML_TYPE_Q4_K: return element_kind::q4_k;
    case GGML_TYPE_Q5_K: return element_kind::q5_k;
    case GGML_TYPE_Q6_K: return element_kind::q6_k;
    default: return std::nullopt;
  }
}

bool is_of_experts(const ggml_tensor& weight) noexcept { return place_of(weight.name).experts; }

bool is_taken(const ggml_tensor& weight) noexcept {
  if (weight.view_src != nullptr || weight.ne[3] != 1 || !element_of(weight.type).has_value())
    return false;
  const place p = place_of(weight.name);
  return p.experts || (weight.ne[2] == 1 && (!p.projection.empty() || is_head(weight.name)));
}

std::string why_left(const ggml_tensor& weight) {
  if (place_of(weight.name).projection.empty() && !is_head(weight.name))
    return "not a projection that is known by its name";
  if (weight.ne[3] != 1 || (weight.ne[2] != 1 && !is_of_experts(weight)))
    return "more than one matrix";
  if (weight.view_src != nullptr) return "a view of another tensor";
  return concat("the type ", ggml_type_name(weight.type), " is not one that is kept without loss");
}

}  // namespace sparsellm_ggml
