// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Names are a path of modules and ".weight" or ".bias"; blocks have their number in it.
#include "files/tensor_names.hpp"

#include <span>
#include <utility>

namespace llama {

namespace {

struct name_pair {
  const char *checkpoint, *gguf;
};

struct naming {
  const char* blocks;  // before a block's number
  std::span<const name_pair> whole, in_blocks;
};

constexpr name_pair llama_whole[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr name_pair llama_blocks[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"}};
constexpr naming of_llama{"model.layers.", llama_whole, llama_blocks};

constexpr name_pair opt_whole[] = {{"model.decoder.embed_tokens", "token_embd"},
                                   {"model.decoder.embed_positions", "position_embd"},
                                   {"model.decoder.final_layer_norm", "output_norm"},
                                   {"lm_head", "output"}};
constexpr name_pair opt_blocks[] = {{"self_attn_layer_norm", "attn_norm"},
                                    {"self_attn.q_proj", "attn_q"},
                                    {"self_attn.k_proj", "attn_k"},
                                    {"self_attn.v_proj", "attn_v"},
                                    {"self_attn.out_proj", "attn_output"},
                                    {"final_layer_norm", "ffn_norm"},
                                    {"fc1", "ffn_up"},
                                    {"fc2", "ffn_down"}};
constexpr naming of_opt{"model.decoder.layers.", opt_whole, opt_blocks};

const naming& naming_of(const family& f) { return f.architecture == "opt" ? of_opt : of_llama; }

// The module and ".weight" or ".bias"; nothing for other names.
std::optional<std::pair<std::string, std::string>> module_and_kind(const std::string& name) {
  for (const char* kind : {".weight", ".bias"})
    if (name.ends_with(kind)) {
      const std::string ending = kind;
      return std::pair{name.substr(0, name.size() - ending.size()), ending};
    }
  return std::nullopt;
}

// A block's number and the module within it; nothing for other modules.
std::optional<std::pair<std::string, std::string>> block_and_part(const std::string& module,
                                                                  const std::string& beginning) {
  if (!module.starts_with(beginning)) return std::nullopt;
  const std::size_t dot = module.find('.', beginning.size());
  if (dot == std::string::npos || dot == beginning.size()) return std::nullopt;
  std::string number = module.substr(beginning.size(), dot - beginning.size());
  if (number.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::pair{std::move(number), module.substr(dot + 1)};
}

}  // namespace

std::optional<std::string> gguf_name_of(const family& f, const std::string& name) {
  const naming& n = naming_of(f);
  const auto split = module_and_kind(name);
  if (!split.has_value()) return std::nullopt;
  const auto& [module, kind] = *split;
  for (const name_pair& p : n.whole)
    if (module == p.checkpoint) return p.gguf + kind;
  if (const auto found = block_and_part(module, n.blocks))
    for (const name_pair& p : n.in_blocks)
      if (found->second == p.checkpoint) return "blk." + found->first + "." + p.gguf + kind;
  return std::nullopt;
}

std::string checkpoint_name_of(const family& f, const std::string& name) {
  const naming& n = naming_of(f);
  const auto split = module_and_kind(name);
  if (!split.has_value()) return name;
  const auto& [module, kind] = *split;
  for (const name_pair& p : n.whole)
    if (module == p.gguf) return p.checkpoint + kind;
  if (const auto found = block_and_part(module, "blk."))
    for (const name_pair& p : n.in_blocks)
      if (found->second == p.gguf) return n.blocks + found->first + "." + p.checkpoint + kind;
  return name;
}

}  // namespace llama
