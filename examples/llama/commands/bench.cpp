// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// bench: the same prompt and the same number of steps at each sparsity and with each table, taken
// in turn so that a machine that changes speed changes it for all of them; medians.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/step_times.hpp"
#include "commands/terminal.hpp"
#include "model/generation.hpp"
#include "model/sparsity_meter.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

constexpr std::size_t prompt_tokens = 64;

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

struct candidate {
  double sparsity = 0;
  std::size_t model = 0;  // which packing
  std::optional<sparsellm::threshold_table> table;
  double achieved = 0, bytes = 0;                      // of a token
  std::vector<double> decode, prefill;                 // tokens per second, one per round
  std::map<std::size_t, std::vector<double>> batched;  // by batch: of all sequences together
  step_times parts;                                    // of decode steps, where they are asked for
};

// Which layouts a model was packed in; sparsities that pack alike share one copy of the weights.
std::string layouts_of(const model& m) {
  std::string s;
  for (const block& b : m.blocks())
    for (const auto* w : {&b.qkv, &b.out, &b.gate_up, &b.down})
      for (const sparsellm::sparse_linear& linear : w->linears())
        s += std::to_string(static_cast<int>(linear.layout())) + " ";
  return s;
}

// Tokens per second of `batch` sequences that begin with different tokens of the text and go on
// greedily.
double time_batch(setup& s, const options& o, const std::vector<std::int32_t>& text,
                  std::size_t batch, std::size_t steps, bool dense) {
  const std::unique_ptr<batch_decoder> run = make_batch_decoder(s, o, batch, steps + 1);
  const std::size_t vocabulary = s.model.shape().vocabulary;
  sparsellm::buffer<float> logits(batch * vocabulary);
  const rows out(logits.data(), batch, vocabulary);
  sampler greedy(0.0, 0);
  std::vector<std::int32_t> next(batch);
  for (std::size_t i = 0; i < batch; ++i) next[i] = text[i * 17 % text.size()];
  const auto step = [&] {
    run->step(next, dense, out);
    for (std::size_t i = 0; i < batch; ++i) next[i] = greedy.pick(out.row(i));
  };
  step();
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < steps; ++i) step();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return static_cast<double>(batch * steps) / seconds;
}

// Where a comparison stands: models by how they are packed, what runs on each, and the text.
struct comparison {
  std::vector<std::unique_ptr<setup>> setups;
  std::vector<std::unique_ptr<decoder>> sessions;  // of each
  std::vector<candidate> candidates;
  std::vector<std::int32_t> text, prompt;  // what prefill reads, and its beginning
};

// What is compared: every sparsity asked for, then every table, each with the options to load it
// by.
std::vector<std::pair<double, options>> asked(const options& o) {
  std::vector<std::pair<double, options>> all;
  for (const double sparsity : o.sparsities) all.emplace_back(sparsity, o);
  for (const std::string& path : o.tables) {
    all.emplace_back(0.0, o);
    all.back().second.thresholds = path;
  }
  return all;
}

comparison prepare(const options& o) {
  comparison all;
  std::map<std::string, std::size_t> packings;
  std::vector<window> windows;
  for (const auto& [sparsity, loading] : asked(o)) {
    auto fresh = std::make_unique<setup>(loading, sparsity);
    candidate c;
    c.sparsity = sparsity;
    c.table = std::exchange(fresh->table, std::nullopt);
    if (c.table) {
      c.sparsity = c.table->target_sparsity;
      fresh->model.use(fresh->exec, *c.table, fresh->model.identity());  // refuses another model's
    }
    const auto [at, is_new] = packings.emplace(layouts_of(fresh->model), all.setups.size());
    if (is_new) all.setups.push_back(std::move(fresh));
    c.model = at->second;
    setup& s = *all.setups[c.model];
    if (windows.empty()) windows = calibration_windows(s, o);
    if (sparsity != 0.0) c.table = calibrate(s, o, sparsity, windows);
    all.candidates.push_back(std::move(c));
  }
  std::vector<std::int32_t>& text = all.text;
  for (const window& w : windows) text.insert(text.end(), w.begin(), w.end());
  all.prompt.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(
                                                     std::min(prompt_tokens, text.size())));
  const std::size_t prefill_tokens = std::min(o.prefill, all.setups.front()->model.shape().context);
  for (std::size_t i = 0; text.size() < prefill_tokens; ++i) text.push_back(text[i]);
  text.resize(prefill_tokens);
  const std::size_t at_once = std::max(prefill_tokens, all.prompt.size());
  for (const auto& s : all.setups)
    all.sessions.push_back(
        make_decoder(*s, o, at_once, std::max(at_once, all.prompt.size() + o.tokens)));
  return all;
}

// One candidate once. The first time warms up and measures what is skipped; it is not timed.
void run_once(comparison& all, candidate& c, const options& o, bool first) {
  setup& s = *all.setups[c.model];
  decoder& run = *all.sessions[c.model];
  const std::vector<std::int32_t>& prompt = all.prompt;
  const bool sparse = c.table.has_value();
  if (sparse) s.model.use(s.exec, *c.table, c.table->model);
  run.thresholds_changed();
  sparsity_meter meter(s.model);
  sampler greedy(0.0, 0);
  const std::size_t prefix = sparse ? prompt.size() : prompt.size() + o.tokens;
  run.rewind();
  const generation g = generate(
      run, prompt, o.tokens + 1, prefix, {}, greedy, sparse && first ? &meter : nullptr,
      [](double) {}, [](std::int32_t) { stop_if_interrupted(); });
  run.rewind();
  const auto start = std::chrono::steady_clock::now();
  run.append(all.text, sparse ? 0 : all.text.size(), nullptr);
  run.finish();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (first) {
    c.achieved = meter.total();
    c.bytes = meter.bytes_per_token();
    return;
  }
  for (const std::size_t batch : o.batches) {
    stop_if_interrupted();
    c.batched[batch].push_back(time_batch(s, o, all.text, batch, o.tokens, !sparse));
  }
  if (o.parts) c.parts.decode(s, prompt, o.tokens, !sparse);
  c.decode.push_back(static_cast<double>(g.decoded) / g.decode_seconds);
  c.prefill.push_back(static_cast<double>(all.text.size()) / seconds);
}

ordered_json print_results(const std::vector<candidate>& candidates, const options& o) {
  ordered_json results = ordered_json::array();
  std::printf("sparsity  achieved  decode tokens/s  prefill tokens/s\n");
  for (const candidate& c : candidates) {
    const double decode = median(c.decode), prefill = median(c.prefill);
    results.push_back({{"sparsity", c.sparsity},
                       {"achieved_sparsity", c.achieved},
                       {"bytes_per_token", c.bytes},
                       {"decode_tokens_per_second", decode},
                       {"prefill_tokens_per_second", prefill}});
    for (const auto& [batch, rates] : c.batched)
      results.back()["batch_tokens_per_second"][std::to_string(batch)] = median(rates);
    std::printf("%8.2f  %8.3f  %15.1f  %16.1f\n", c.sparsity, c.achieved, decode, prefill);
    for (const auto& [batch, rates] : c.batched)
      std::printf("          batch of %2zu: %10.1f\n", batch, median(rates));
    if (!o.parts) continue;
    results.back()["step_milliseconds"] = c.parts.describe();
    print_parts(results.back()["step_milliseconds"]);
  }
  return results;
}

}  // namespace

void run_bench(const options& o, ordered_json& result) {
  require<value_error>(!o.sparsities.empty() || !o.tables.empty(),
                       "--sparsity: at least one number expected");
  require<value_error>(o.rounds >= 1 && o.tokens >= 1 && o.prefill >= 1,
                       "--rounds, --tokens and --prefill: at least 1 expected");
  require<value_error>(!o.parts || o.device == "cpu",
                       "--parts: a step is timed by part on the cpu alone, got --device ",
                       o.device);
  for (const double s : o.sparsities) check_sparsity(s);
  for (const std::size_t b : o.batches)
    require<value_error>(b >= 1 && b <= 64, "--batch: 1 to 64 sequences expected, got ", b);

  comparison all = prepare(o);
  const progress report = show_progress("measuring");
  for (std::size_t round = 0; round <= o.rounds; ++round) {
    for (candidate& c : all.candidates) run_once(all, c, o, round == 0);
    report(static_cast<double>(round + 1) / static_cast<double>(o.rounds + 1));
  }
  result = describe(*all.setups.front(), o);
  result["prompt_tokens"] = all.prompt.size();
  result["decode_tokens"] = o.tokens;
  result["prefill_tokens"] = all.text.size();
  result["rounds"] = o.rounds;
  if (!o.shape.empty()) std::printf("random weights: speed alone, what they write means nothing\n");
  result["results"] = print_results(all.candidates, o);
}

}  // namespace llama
