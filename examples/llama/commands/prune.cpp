// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// prune: a dense model in, an N:M checkpoint or a GGUF file out.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "cuda/session.hpp"
#include "files/checkpoint_writer.hpp"
#include "files/gguf_writer.hpp"
#include "files/output_directory.hpp"
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

kept_weights parse_update(const std::string& name) {
  if (name == "none") return kept_weights::as_they_are;
  if (name == "obs") return kept_weights::updated;
  require<value_error>(name == "sparsegpt", "--update: none, obs or sparsegpt expected, got '",
                       name, "'");
  return kept_weights::chosen;
}

pruning parse_pruning(const options& o) {
  pruning how;
  how.update = parse_update(o.update);
  require<value_error>(o.damping > 0 && o.damping <= 1,
                       "--damping: a number in (0, 1] expected, got ", o.damping);
  how.damping = o.damping;
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

// What pruning a model kept and cost, over all pruned projections.
struct totals {
  sparsellm::retention retained;
  double error = 0, mean_retained = 0, count = 0;

  // Returns the block's share as JSON, one entry for each projection.
  ordered_json add(const pruned_block& b) {
    ordered_json of_block = ordered_json::object();
    for (const projection p : projections) {
      const pruned_weight& w = b.weights[p];
      if (w.mask.shape().outputs == 0) continue;
      retained += w.retained;
      const double e = w.energy > 0 ? w.error / w.energy : 0.0;
      error += e;
      mean_retained += w.retained.shuffled / w.retained.total;
      count += 1;
      of_block[name(p)] = {{"retained", w.retained.shuffled / w.retained.total},
                           {"plain", w.retained.plain / w.retained.total},
                           {"without_groups", w.retained.without_groups / w.retained.total},
                           {"efficacy", w.retained.efficacy()},
                           {"output_error", e}};
    }
    return of_block;
  }
};

// How the masks were made.
ordered_json provenance_of(const setup& s, const options& o, const pruning& how,
                           const std::vector<window>& windows) {
  ordered_json j{{"model", s.model.shape().name},
                 {"pattern", sparsellm::concat(how.pattern.n, ":", how.pattern.m)},
                 {"metric", o.metric},
                 {"shuffle", o.shuffle},
                 {"block", o.block},
                 {"deal", o.deal},
                 {"sequential", o.sequential},
                 {"update", o.update},
                 {"tokens", windows.size() * windows.front().size()},
                 {"window", windows.front().size()}};
  if (how.score == metric::e_sparse) {
    j["alpha"] = o.alpha;
    j["bins"] = o.bins;
    j["entropy"] = o.entropy;
  }
  if (how.update != kept_weights::as_they_are) j["damping"] = how.damping;
  if (how.seconds.has_value()) j["seconds"] = *how.seconds;
  return j;
}

// Where the pruned model goes: a GGUF file or a checkpoint's directory. Refused before the work
// when it cannot be written.
class destination {
 public:
  destination(const options& o, sparsellm::element_kind type) : path_(o.output), type_(type) {
    if (names_gguf(path_)) {
      file_.emplace(path_);
    } else {
      require<value_error>(!sparsellm::is_quantized(type),
                           "--weights: prune writes f32, f16 or "
                           "bf16 into a directory, got '",
                           o.weights, "'");
      directory_.emplace(path_, o.model, o.force);
    }
  }

  void check(const checkpoint_source& from) const {
    if (file_.has_value())
      check_gguf(from, type_);
    else
      check_checkpoint(from, type_);
  }

  // Returns what was written, for people.
  [[nodiscard]] std::string write(const checkpoint_source& from,
                                  const std::vector<pruned_block>& blocks,
                                  sparsellm::nm_pattern pattern, const std::string& provenance) {
    if (!file_.has_value()) {
      write_checkpoint(*directory_, from, blocks, pattern, type_, provenance,
                       show_progress("writing the checkpoint"));
      return path_;
    }
    const std::size_t bytes =
        write_gguf(*file_, from, blocks, type_, provenance, show_progress("writing the file"));
    char size[32];
    std::snprintf(size, sizeof size, "%.1f", static_cast<double>(bytes) / 1e6);
    return sparsellm::concat(path_, ", a GGUF of ", sparsellm::name(type_),
                             " weights with zeros in place, ", size, " MB");
  }

 private:
  std::string path_;
  sparsellm::element_kind type_;
  std::optional<sparsellm::output_file> file_;
  std::optional<output_directory> directory_;
};

// Levels of 8 bits are made when the file is written; what is pruned are floats.
options packed_as_floats(options o, sparsellm::element_kind type) {
  if (sparsellm::is_quantized(type)) o.weights = "bf16";
  return o;
}

void report(const options& o, const totals& all, double seconds, const std::string& written,
            ordered_json& result) {
  const sparsellm::retention& kept = all.retained;
  result["output"] = o.output;
  result["seconds"] = seconds;
  result["retained_score"] = kept.shuffled / kept.total;
  result["mean_retained_score"] = all.mean_retained / all.count;
  result["plain_score"] = kept.plain / kept.total;
  result["without_groups_score"] = kept.without_groups / kept.total;
  result["efficacy"] = kept.efficacy();
  result["output_error"] = all.error / all.count;
  std::printf(
      "%s by %s: %.2f %% of the score kept (plain %.2f, without groups %.2f, efficacy %.2f), "
      "output error %.4f, %.0f s: %s\n",
      o.pattern.c_str(), o.metric.c_str(), 100 * kept.shuffled / kept.total,
      100 * kept.plain / kept.total, 100 * kept.without_groups / kept.total, kept.efficacy(),
      all.error / all.count, seconds, written.c_str());
}

}  // namespace

void run_prune(const options& o, ordered_json& result) {
  require<value_error>(o.window >= 2, "--window: at least 2 tokens expected, got ", o.window);
  require<value_error>(o.tokens >= 2, "--tokens: at least 2 expected, got ", o.tokens);
  const pruning how = parse_pruning(o);
  const std::optional<sparsellm::element_kind> type = parse_weights(o.weights);
  require<value_error>(
      type.has_value() &&
          (!sparsellm::is_quantized(*type) || *type == sparsellm::element_kind::q8_0),
      "--weights: prune writes f32, f16 or bf16, and q8_0 into a .gguf, got '", o.weights, "'");
  const auto begun = std::chrono::steady_clock::now();
  destination to(o, *type);
  setup s(packed_as_floats(o, *type), 0.0);
  const checkpoint_source from{s.model.file(), s.model.shape(),
                               std::filesystem::is_directory(o.model) ? o.model : std::string()};
  to.check(from);
  const std::vector<window> windows = cut_windows(
      read_ids(s.tokenizer, o.text), std::min(o.window, s.model.shape().context), o.tokens);

  std::vector<pruned_block> blocks;
  totals all;
  ordered_json layers = ordered_json::array();
  const bool device = o.device == "cuda";
  prune_model(
      s.exec, s.model, windows, how, show_progress("pruning"),
      [&](std::size_t, pruned_block b) {
        layers.push_back(all.add(b));
        blocks.push_back(std::move(b));
      },
      device ? make_cuda_text : make_host_text,
      device ? order_search(search_cuda_order) : order_search());
  require<value_error>(all.count > 0, "prune: every projection was left dense");

  const ordered_json provenance = provenance_of(s, o, how, windows);
  const std::string written = to.write(from, blocks, how.pattern, provenance.dump());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  result = describe(s, o);
  result["pruning"] = provenance;
  report(o, all, seconds, written, result);
  result["layers"] = layers;
}

}  // namespace llama
