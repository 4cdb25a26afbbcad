// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// prune: a dense model in, an N:M checkpoint or a GGUF file out.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "commands/commands.hpp"
#include "commands/pruning_options.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "cuda/session.hpp"
#include "files/checkpoint_writer.hpp"
#include "files/gguf_metadata.hpp"
#include "files/gguf_writer.hpp"
#include "files/output_directory.hpp"
#include "files/pattern_name.hpp"
#include "methods/fit_gains.hpp"
#include "methods/pruning.hpp"
#include "methods/pruning_state.hpp"
#include "methods/recorded_pass.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

pruning parse_pruning(const options& o) {
  pruning how;
  how.pattern = parse_pattern(o.pattern);
  if (!o.plan.empty()) how.plan = load_plan(o.plan);
  static_cast<saliency_options&>(how) = parse_saliency(o);
  static_cast<reconstruction_options&>(how) = parse_reconstruction(o);
  require<value_error>(
      o.shuffle == "none" || o.shuffle == "global" || o.shuffle == "local" || o.shuffle == "both",
      "--shuffle: none, global, local or both expected, got '", o.shuffle, "'");
  how.global_shuffle = o.shuffle == "global" || o.shuffle == "both";
  how.local_shuffle = o.shuffle == "local" || o.shuffle == "both";
  require<value_error>(o.block >= 2, "--block: at least 2 channels expected, got ", o.block);
  how.block = o.block;
  if (o.seconds > 0) how.seconds = o.seconds;
  how.sequential = o.sequential;
  require<value_error>(o.deal == "round-robin" || o.deal == "zigzag",
                       "--deal: round-robin or zigzag expected, got '", o.deal, "'");
  how.deal = o.deal == "zigzag" ? sparsellm::dealing::zigzag : sparsellm::dealing::round_robin;
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

// "2:4" or "dense" for each layer, by projection.
ordered_json patterns_of(const std::vector<pruned_block>& blocks, const config& c) {
  ordered_json j = ordered_json::object();
  for (const projection p : c.projections())
    for (const pruned_block& b : blocks)
      j[name(p)].push_back(b.weights[p].mask.shape().outputs == 0 ? "dense"
                                                                  : name(b.weights[p].pattern));
  return j;
}

// 2:4 when all pruned weights follow it, else another of theirs.
sparsellm::nm_pattern common_pattern(const std::vector<pruned_block>& blocks) {
  sparsellm::nm_pattern p;
  for (const pruned_block& b : blocks)
    for (const pruned_weight& w : b.weights)
      if (w.mask.shape().outputs != 0 && w.pattern != sparsellm::nm_pattern{2, 4}) p = w.pattern;
  return p;
}

// How the masks were made.
ordered_json provenance_of(const setup& s, const options& o, const pruning& how,
                           const std::vector<window>& windows) {
  ordered_json j{{"model", s.model.shape().name},
                 {"pattern", how.plan.has_value() ? "planned" : name(how.pattern)},
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
  if (how.update != kept_weights::as_they_are) {
    j["damping"] = how.damping;
    j["refine"] = how.rounds;
    j["target"] = o.target;
  }
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
    const std::size_t bytes = write_gguf(*file_, from, blocks, type_, {pruning_key, provenance},
                                         show_progress("writing the file"));
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

// Of everything that decides what a block becomes. Its bits depend on the instruction set, not on
// the number of threads.
std::uint64_t identity_of(const setup& s, const ordered_json& provenance, const pruning& how,
                          const options& o, const std::vector<window>& windows) {
  sparsellm::weight_hash h;
  const std::uint64_t weights = s.model.identity().weight_hash;
  h.add(&weights, sizeof weights);
  for (const window& w : windows) h.add(w.data(), w.size() * sizeof w.front());
  std::string rest = sparsellm::concat(provenance.dump(), o.weights, o.device,
                                       sparsellm::cpu::name(s.exec.instruction_set()));
  if (how.plan.has_value()) rest += to_json(*how.plan);
  for (const std::string& p : how.dense_projections) rest += " " + p;
  for (const std::size_t l : how.dense_layers) rest += sparsellm::concat(" ", l);
  h.add(rest.data(), rest.size());
  return h.value();
}

// Refused before the work.
void check_gains(const setup& s, const options& o) {
  if (o.gain_steps == 0) return;
  check_way_back(s.model.shape());
  require<value_error>(o.gain_rate > 0 && o.gain_rate < 1,
                       "--gain-rate: a number in (0, 1) expected, got ", o.gain_rate);
  require<value_error>(o.gain_windows != 0, "--gain-windows: at least 1 expected, got 0");
}

// What a run gives: its blocks, how many of them an earlier one had finished, and the divergence
// that each step of fitting gains met.
struct pruned_model {
  std::vector<pruned_block> blocks;
  std::size_t resumed = 0;
  std::vector<double> divergences{};
};

// Goes on from the state's blocks and keeps the others there; state: nullptr without one.
pruned_model prune_blocks(setup& s, const options& o, const pruning& how,
                          const std::vector<window>& windows, const pruning_state* state) {
  pruned_model result;
  const bool device = o.device == "cuda";
  const auto done = [&](std::size_t l, pruned_block b) {
    if (state != nullptr && l >= result.resumed) state->save(l, b);
    result.blocks.push_back(std::move(b));
  };
  // Blocks behind a gap in the state are made anew.
  const auto earlier = [&](std::size_t l) {
    std::optional<pruned_block> b;
    if (state != nullptr && result.resumed == l) b = state->load(l);
    if (b.has_value()) ++result.resumed;
    return b;
  };
  try {
    wanted_predictions wanted;
    if (o.gain_steps != 0)
      wanted = predictions_of(s.exec, s.model, windows, show_progress("the dense model's outputs"));
    prune_model(s.exec, s.model, windows, how, show_progress("pruning"), done,
                device ? make_cuda_text : make_host_text,
                device ? order_search(search_cuda_order) : order_search(), earlier);
    if (o.gain_steps != 0) {
      put_pruned(s.exec, s.model, result.blocks);
      result.divergences =
          fit_gains(s.exec, s.model, windows, {o.gain_steps, o.gain_windows, o.gain_rate}, wanted,
                    result.blocks, show_progress("fitting gains on the CPU"));
    }
  } catch (const interrupted&) {
    if (state == nullptr) throw;
    throw interrupted(
        sparsellm::concat("interrupted; the same command goes on from '", o.state, "'"));
  }
  return result;
}

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
      o.plan.empty() ? o.pattern.c_str() : "a plan", o.metric.c_str(),
      100 * kept.shuffled / kept.total, 100 * kept.plain / kept.total,
      100 * kept.without_groups / kept.total, kept.efficacy(), all.error / all.count, seconds,
      written.c_str());
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
  check_gains(s, o);
  const std::vector<window> windows = text_windows(s, o, o.text, o.tokens);

  if (how.plan.has_value()) how.plan->check(s.model.identity());

  ordered_json provenance = provenance_of(s, o, how, windows);
  std::optional<pruning_state> state;
  if (!o.state.empty())
    state.emplace(o.state, identity_of(s, provenance, how, o, windows), s.model.shape());
  // What comes after the blocks is no part of their identity.
  if (o.gain_steps != 0) {
    provenance["gain_steps"] = o.gain_steps;
    provenance["gain_windows"] = o.gain_windows;
    provenance["gain_rate"] = o.gain_rate;
  }
  const auto [blocks, resumed, divergences] =
      prune_blocks(s, o, how, windows, state.has_value() ? &*state : nullptr);
  totals all;
  ordered_json layers = ordered_json::array();
  for (const pruned_block& b : blocks) layers.push_back(all.add(b));
  require<value_error>(all.count > 0, "prune: every projection was left dense");

  if (how.plan.has_value()) provenance["patterns"] = patterns_of(blocks, s.model.shape());
  const std::string written = to.write(from, blocks, common_pattern(blocks), provenance.dump());
  if (state.has_value()) state->remove();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  result = describe(s, o);
  result["pruning"] = provenance;
  report(o, all, seconds, written, result);
  result["resumed_blocks"] = resumed;
  if (!divergences.empty()) result["divergences"] = divergences;
  result["layers"] = layers;
}

}  // namespace llama
