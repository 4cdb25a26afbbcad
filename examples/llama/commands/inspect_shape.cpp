// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// inspect --shape: what a pattern saves of a model, from its configuration alone.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "files/pattern_name.hpp"
#include "files/projection.hpp"
#include "files/random_model.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/pack/element_kind.hpp"
#include "sparsellm/prune/pattern.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::extents;
using sparsellm::require;
using sparsellm::value_error;

namespace {

extents extents_of(const model_shape& s, projection p) {
  const std::size_t keys = s.width / s.heads * s.kv_heads;
  if (p == projection::k || p == projection::v) return {keys, s.width};
  if (p == projection::q || p == projection::o) return {s.width, s.width};
  return p == projection::down ? extents{s.width, s.hidden} : extents{s.hidden, s.width};
}

// Kept values and one bit for each weight, which a checkpoint stores and n_of_m reads.
std::size_t pruned_bytes(extents e, sparsellm::nm_pattern p, std::size_t element) {
  return e.outputs * (p.kept(e.inputs) * element + (e.inputs + 7) / 8);
}

ordered_json row(std::size_t dense, std::size_t pruned) {
  return {{"dense_bytes", dense},
          {"bytes", pruned},
          {"saved", 1.0 - static_cast<double>(pruned) / static_cast<double>(dense)}};
}

void print(const std::string& what, const ordered_json& r) {
  std::printf("%-24s %9.3f GB %9.3f GB %6.2f %% saved\n", what.c_str(),
              r["dense_bytes"].get<double>() / 1e9, r["bytes"].get<double>() / 1e9,
              100 * r["saved"].get<double>());
}

}  // namespace

void inspect_shape(const options& o, ordered_json& result) {
  const model_shape s = parse_shape(o.shape);
  const sparsellm::nm_pattern p = parse_pattern(o.pattern);
  const auto type = parse_weights(o.weights);
  require<value_error>(type.has_value() && !sparsellm::is_quantized(*type),
                       "--weights: f32, f16 or bf16 expected with --shape, got '", o.weights, "'");
  require<value_error>(o.vocabulary >= 1, "--vocabulary: at least 1 token expected, got 0");
  const std::size_t element = *type == sparsellm::element_kind::f32 ? 4 : 2;
  result = {{"shape", o.shape},           {"layers", s.layers},
            {"width", s.width},           {"hidden", s.hidden},
            {"heads", s.heads},           {"kv_heads", s.kv_heads},
            {"weights", o.weights},       {"pattern", name(p)},
            {"vocabulary", o.vocabulary}, {"kinds", ordered_json::object()}};
  std::size_t dense = 0, pruned = 0;
  for (const projection which : projections) {
    const extents e = extents_of(s, which);
    const std::size_t all = s.layers * e.outputs * e.inputs * element,
                      kept = s.layers * pruned_bytes(e, p, element);
    ordered_json kind{{"outputs", e.outputs}, {"inputs", e.inputs}};
    kind.update(row(all, kept));
    print(sparsellm::concat(name(which), " ", e.outputs, "x", e.inputs), kind);
    result["kinds"][name(which)] = std::move(kind);
    dense += all;
    pruned += kept;
  }
  // Dense in either: embeddings, a head of its own, and the gains of two norms a layer and one
  // before the head.
  const std::size_t others = (2 * o.vocabulary * s.width + (2 * s.layers + 1) * s.width) * element;
  result["linears"] = row(dense, pruned);
  result["embeddings_head_norms"] = row(others, others);
  result["model"] = row(dense + others, pruned + others);
  print("linear layers", result["linears"]);
  print("embeddings, head, norms", result["embeddings_head_norms"]);
  print("model", result["model"]);
}

}  // namespace llama
