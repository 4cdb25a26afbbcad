// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// rotate: a model in, the same one along other axes out.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "cuda/session.hpp"
#include "files/gguf_metadata.hpp"
#include "files/gguf_writer.hpp"
#include "files/levels.hpp"
#include "files/rotated_model.hpp"
#include "methods/residual_axes.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::element_kind;
using sparsellm::require;
using sparsellm::value_error;

namespace {

tensor_type parse_type(const std::string& weights) {
  const std::optional<element_kind> type = parse_weights(weights);
  require<value_error>(type.has_value() && !sparsellm::is_quantized(*type),
                       "--weights: rotate writes f32, f16 or bf16, got '", weights, "'");
  return *type == element_kind::f32   ? tensor_type::f32
         : *type == element_kind::f16 ? tensor_type::f16
                                      : tensor_type::bf16;
}

// The share of the energy that the larger half has.
double half_of(std::vector<double> energies) {
  std::sort(energies.rbegin(), energies.rend());
  double sum = 0, half = 0;
  for (std::size_t i = 0; i < energies.size(); ++i) {
    sum += energies[i];
    if (i < energies.size() / 2) half += energies[i];
  }
  return sum > 0 ? half / sum : 0;
}

// [channels]: what the channels had before.
std::vector<double> channel_energies(const sparsellm::axes_of_gram& found) {
  std::vector<double> energies(found.channels);
  for (std::size_t j = 0; j < found.channels; ++j)
    for (std::size_t i = 0; i < found.channels; ++i) {
      const double x = static_cast<double>(found.matrix()(j, i));
      energies[i] += found.energies[j] * x * x;
    }
  return energies;
}

}  // namespace

void run_rotate(const options& o, ordered_json& result) {
  require<value_error>(o.window >= 2, "--window: at least 2 tokens expected, got ", o.window);
  require<value_error>(o.tokens >= 2, "--tokens: at least 2 expected, got ", o.tokens);
  require<value_error>(names_gguf(o.output),
                       "--output: rotate writes a GGUF file, whose name ends in .gguf, got '",
                       o.output, "'");
  const tensor_type type = parse_type(o.weights);
  sparsellm::output_file file(o.output);
  setup s(o, 0.0);
  const model_file& source = s.model.file();
  const config& shape = s.model.shape();
  rotated_model::check(source, shape);
  check_gguf({source, shape}, storage_of(type));
  const std::vector<window> windows = text_windows(s, o, o.text, o.tokens);
  const sparsellm::axes_of_gram found =
      residual_axes(s.exec, s.model, windows, show_progress("finding axes"),
                    o.device == "cuda" ? make_cuda_text : make_host_text);
  const sparsellm::rotation turned(s.exec, found.matrix());
  const rotated_model rotated(s.exec, source, shape, turned, type,
                              show_progress("turning weights"));
  const double half = half_of(found.energies), half_before = half_of(channel_energies(found));
  const ordered_json made{{"model", shape.name},
                          {"tokens", windows.size() * windows.front().size()},
                          {"window", windows.front().size()},
                          {"energy_of_half", half},
                          {"energy_of_half_before", half_before}};
  const std::size_t bytes =
      write_gguf(file, {rotated, shape}, {}, storage_of(type), {rotation_key, made.dump()},
                 show_progress("writing the file"));
  result = describe(s, o);
  result["output"] = o.output;
  result["rotation"] = made;
  result["bytes"] = bytes;
  std::printf(
      "half of the axes have %.1f %% of the residual stream's energy, half of the channels had "
      "%.1f %%: %s, %.1f MB\n",
      100 * half, 100 * half_before, o.output.c_str(), static_cast<double>(bytes) / 1e6);
}

}  // namespace llama
