// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "files/projection.hpp"

namespace llama {

namespace {

// readers_of() and site_of() agree, and go through the projections in their order.
constexpr bool sites_cover_projections(bool gated) {
  std::size_t seen = 0;
  for (const activation_site site : activation_sites)
    for (const projection p : readers_of(site, gated))
      if (site_of(p) != site || projections_of(gated)[seen++] != p) return false;
  return seen == projections_of(gated).size();
}
static_assert(sites_cover_projections(true) && sites_cover_projections(false));

struct projection_names {
  const char *table, *gguf;
};
constexpr per_projection<projection_names> names{{{{"q", "attn_q"},
                                                   {"k", "attn_k"},
                                                   {"v", "attn_v"},
                                                   {"o", "attn_output"},
                                                   {"gate", "ffn_gate"},
                                                   {"up", "ffn_up"},
                                                   {"down", "ffn_down"}}}};
constexpr per_site<const char*> site_names{{"attention", "output", "mlp", "down"}};

}  // namespace

std::string name(projection p) { return names[p].table; }
std::string gguf_name(projection p) { return names[p].gguf; }
std::string name(activation_site site) { return site_names[site]; }

}  // namespace llama
