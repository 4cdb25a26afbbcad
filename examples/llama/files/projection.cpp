// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/projection.hpp"

namespace llama {

namespace {

// readers() and site_of() agree, and go through the projections in their order.
constexpr bool sites_cover_projections() {
  std::size_t seen = 0;
  for (const activation_site site : activation_sites)
    for (const projection p : readers(site))
      if (site_of(p) != site || projections[seen++] != p) return false;
  return seen == projections.size();
}
static_assert(sites_cover_projections());

struct projection_names {
  const char *table, *gguf, *checkpoint;
};
constexpr per_projection<projection_names> names{{{{"q", "attn_q", "self_attn.q_proj"},
                                                   {"k", "attn_k", "self_attn.k_proj"},
                                                   {"v", "attn_v", "self_attn.v_proj"},
                                                   {"o", "attn_output", "self_attn.o_proj"},
                                                   {"gate", "ffn_gate", "mlp.gate_proj"},
                                                   {"up", "ffn_up", "mlp.up_proj"},
                                                   {"down", "ffn_down", "mlp.down_proj"}}}};
constexpr per_site<const char*> site_names{{"attention", "output", "mlp", "down"}};

}  // namespace

std::string name(projection p) { return names[p].table; }
std::string gguf_name(projection p) { return names[p].gguf; }
std::string checkpoint_name(projection p) { return names[p].checkpoint; }
std::string name(activation_site site) { return site_names[site]; }

}  // namespace llama
