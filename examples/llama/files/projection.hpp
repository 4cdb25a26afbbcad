// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The projections of a block, seven with a gate and six without, the four activations that they
// read, and what files call both.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

namespace llama {

enum class projection { q, k, v, o, gate, up, down };
inline constexpr std::array projections{projection::q,   projection::k,    projection::v,
                                        projection::o,   projection::gate, projection::up,
                                        projection::down};
inline constexpr std::array ungated_projections{projection::q, projection::k,  projection::v,
                                                projection::o, projection::up, projection::down};

// Where a block's activations are observed and sparsified, in the order that they are computed in.
enum class activation_site {
  attention_input,   // the normalised residual stream, read by q, k and v
  attention_output,  // what the attention heads give, read by o
  mlp_input,         // the normalised residual stream, read by gate and up, or up alone
  mlp_hidden         // what the MLP's activation function gives, read by down
};
inline constexpr std::array activation_sites{
    activation_site::attention_input, activation_site::attention_output, activation_site::mlp_input,
    activation_site::mlp_hidden};

[[nodiscard]] constexpr std::size_t index_of(projection p) noexcept {
  return static_cast<std::size_t>(p);
}

// Of a block whose MLP has a gate, or has none.
[[nodiscard]] constexpr std::span<const projection> projections_of(bool gated) noexcept {
  if (gated) return projections;
  return ungated_projections;
}
// The projections that read an activation; those of one site are neighbours.
[[nodiscard]] constexpr std::span<const projection> readers_of(activation_site site,
                                                               bool gated) noexcept {
  const std::size_t first[] = {0, 3, 4, gated ? std::size_t{6} : std::size_t{5},
                               projections_of(gated).size()};
  const auto s = static_cast<std::size_t>(site);
  return projections_of(gated).subspan(first[s], first[s + 1] - first[s]);
}
[[nodiscard]] constexpr activation_site site_of(projection p) noexcept {
  return p <= projection::v      ? activation_site::attention_input
         : p == projection::o    ? activation_site::attention_output
         : p == projection::down ? activation_site::mlp_hidden
                                 : activation_site::mlp_input;
}
// A value for each projection.
template <class T>
struct per_projection {
  std::array<T, projections.size()> values{};

  [[nodiscard]] T& operator[](projection p) noexcept { return values[index_of(p)]; }
  [[nodiscard]] const T& operator[](projection p) const noexcept { return values[index_of(p)]; }
  [[nodiscard]] auto begin() const noexcept { return values.begin(); }
  [[nodiscard]] auto end() const noexcept { return values.end(); }
};

// A value for each activation site.
template <class T>
struct per_site {
  std::array<T, activation_sites.size()> values{};

  [[nodiscard]] T& operator[](activation_site s) noexcept {
    return values[static_cast<std::size_t>(s)];
  }
  [[nodiscard]] const T& operator[](activation_site s) const noexcept {
    return values[static_cast<std::size_t>(s)];
  }
  [[nodiscard]] auto begin() const noexcept { return values.begin(); }
  [[nodiscard]] auto end() const noexcept { return values.end(); }
};

// In threshold tables, options and JSON: "q", … "down".
[[nodiscard]] std::string name(projection p);
// In GGUF's tensor names: "attn_q", … "ffn_down".
[[nodiscard]] std::string gguf_name(projection p);
// In a checkpoint's channel orders: "attention", "output", "mlp", "down".
[[nodiscard]] std::string name(activation_site site);

}  // namespace llama
