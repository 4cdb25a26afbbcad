// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// prune: a dense model in, an N:M checkpoint out.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "cuda/session.hpp"
#include "files/checkpoint_writer.hpp"
#include "methods/pruning.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

sparsellm::nm_pattern parse_pattern(const std::string& text) {
  sparsellm::nm_pattern p{0, 0};
  const char* const end = text.data() + text.size();
  const auto n = std::from_chars(text.data(), end, p.n);
  bool good = n.ec == std::errc{} && n.ptr != end && *n.ptr == ':';
  if (good) {
    const auto m = std::from_chars(n.ptr + 1, end, p.m);
    good = m.ec == std::errc{} && m.ptr == end;
  }
  require<value_error>(good, "--pattern: N:M expected, as 2:4, got '", text, "'");
  check(p);
  return p;
}

metric parse_metric(const std::string& name) {
  if (name == "magnitude") return metric::magnitude;
  if (name == "wanda") return metric::wanda;
  if (name == "ria") return metric::ria;
  require<value_error>(name == "e-sparse",
                       "--metric: magnitude, wanda, ria or e-sparse expected, got '", name, "'");
  return metric::e_sparse;
}

pruning parse_pruning(const options& o) {
  pruning how;
  how.pattern = parse_pattern(o.pattern);
  how.score = parse_metric(o.metric);
  require<value_error>(
      o.shuffle == "none" || o.shuffle == "global" || o.shuffle == "local" || o.shuffle == "both",
      "--shuffle: none, global, local or both expected, got '", o.shuffle, "'");
  how.global_shuffle = o.shuffle == "global" || o.shuffle == "both";
  how.local_shuffle = o.shuffle == "local" || o.shuffle == "both";
  require<value_error>(o.block >= 2, "--block: at least 2 channels expected, got ", o.block);
  how.block = o.block;
  if (o.seconds > 0) how.seconds = o.seconds;
  how.sequential = o.sequential;
  how.alpha = o.alpha;
  require<value_error>(o.deal == "round-robin" || o.deal == "zigzag",
                       "--deal: round-robin or zigzag expected, got '", o.deal, "'");
  how.deal = o.deal == "zigzag" ? sparsellm::dealing::zigzag : sparsellm::dealing::round_robin;
  how.entropy.bins = o.bins;
  for (const std::string& choice : o.entropy) {
    using e = sparsellm::entropy_options;
    if (choice == "bits")
      how.entropy.unit = e::logarithm::base2;
    else if (choice == "tensor")
      how.entropy.span = e::range::tensor;
    else if (choice == "absolute")
      how.entropy.of = e::values::absolute;
    else if (choice == "rms")
      how.root_mean_square = true;
    else
      sparsellm::raise<value_error>(sparsellm::concat(
          "--entropy: bits, tensor, absolute or rms expected, got '", choice, "'"));
  }
  how.dense_projections = o.dense_projections;
  how.dense_layers = o.dense_layers;
  return how;
}

}  // namespace

void run_prune(const options& o, ordered_json& result) {
  require<value_error>(o.window >= 2, "--window: at least 2 tokens expected, got ", o.window);
  require<value_error>(o.tokens >= 2, "--tokens: at least 2 expected, got ", o.tokens);
  const pruning how = parse_pruning(o);
  const std::optional<sparsellm::element_kind> type = parse_weights(o.weights);
  require<value_error>(type.has_value() && !sparsellm::is_quantized(*type),
                       "--weights: prune writes f32, f16 or bf16, got '", o.weights, "'");
  const auto begun = std::chrono::steady_clock::now();
  setup s(o, 0.0);
  const std::vector<window> windows = cut_windows(
      read_ids(s.tokenizer, o.text), std::min(o.window, s.model.shape().context), o.tokens);

  std::vector<pruned_block> blocks;
  sparsellm::retention all;
  double error = 0, mean_retained = 0, count = 0;
  ordered_json layers = ordered_json::array();
  prune_model(
      s.exec, s.model, windows, how, show_progress("pruning"),
      [&](std::size_t, pruned_block b) {
        ordered_json of_layer = ordered_json::object();
        for (const projection p : projections) {
          const pruned_weight& w = b.weights[p];
          if (w.mask.shape().outputs == 0) continue;
          all += w.retained;
          const double e = w.energy > 0 ? w.error / w.energy : 0.0;
          error += e;
          mean_retained += w.retained.shuffled / w.retained.total;
          count += 1;
          of_layer[name(p)] = {{"retained", w.retained.shuffled / w.retained.total},
                               {"plain", w.retained.plain / w.retained.total},
                               {"without_groups", w.retained.without_groups / w.retained.total},
                               {"efficacy", w.retained.efficacy()},
                               {"output_error", e}};
        }
        layers.push_back(of_layer);
        blocks.push_back(std::move(b));
      },
      o.device == "cuda" ? make_cuda_text : make_host_text,
      o.device == "cuda" ? order_search(search_cuda_order) : order_search());
  require<value_error>(count > 0, "prune: every projection was left dense");

  ordered_json provenance{{"model", s.model.shape().name},
                          {"pattern", sparsellm::concat(how.pattern.n, ":", how.pattern.m)},
                          {"metric", o.metric},
                          {"shuffle", o.shuffle},
                          {"block", o.block},
                          {"deal", o.deal},
                          {"sequential", o.sequential},
                          {"tokens", windows.size() * windows.front().size()},
                          {"window", windows.front().size()}};
  if (how.score == metric::e_sparse) {
    provenance["alpha"] = o.alpha;
    provenance["bins"] = o.bins;
    provenance["entropy"] = o.entropy;
  }
  if (how.seconds.has_value()) provenance["seconds"] = *how.seconds;
  write_checkpoint(o.output, s.model, blocks, how.pattern, *type, provenance.dump(),
                   show_progress("writing the checkpoint"));

  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  result = describe(s, o);
  result["pruning"] = provenance;
  result["output"] = o.output;
  result["seconds"] = seconds;
  result["retained_score"] = all.shuffled / all.total;
  result["mean_retained_score"] = mean_retained / count;
  result["plain_score"] = all.plain / all.total;
  result["without_groups_score"] = all.without_groups / all.total;
  result["efficacy"] = all.efficacy();
  result["output_error"] = error / count;
  result["layers"] = layers;
  std::printf(
      "%s by %s: %.2f %% of the score kept (plain %.2f, without groups %.2f, efficacy %.2f), "
      "output error %.4f, %.0f s: %s\n",
      o.pattern.c_str(), o.metric.c_str(), 100 * all.shuffled / all.total,
      100 * all.plain / all.total, 100 * all.without_groups / all.total, all.efficacy(),
      error / count, seconds, o.output.c_str());
}

}  // namespace llama
