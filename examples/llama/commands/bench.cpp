// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// bench: the same prompt and the same number of steps at each sparsity, taken in turn so that a
// machine that changes speed changes it for all of them; medians.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "model/generation.hpp"
#include "model/sparsity_meter.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

constexpr std::size_t prompt_tokens = 64, longest_prefill = 512;

struct candidate {
  double sparsity = 0;
  std::size_t model = 0;  // which packing
  sparsellm::threshold_table table;
  double achieved = 0;
  std::vector<double> decode, prefill;                 // tokens a second, a round each
  std::map<std::size_t, std::vector<double>> batched;  // by batch: of all sequences together
};

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

// Which layouts a model was packed in; sparsities that pack alike share one copy of the weights.
std::string layouts_of(const model& m) {
  std::string s;
  for (const block& b : m.blocks())
    for (const auto* w : {&b.qkv, &b.out, &b.gate_up, &b.down})
      for (const sparsellm::sparse_linear& part : w->parts())
        s += "pcr"[static_cast<std::size_t>(part.layout())];
  return s;
}

// Tokens a second of `batch` sequences that begin with different tokens of the text and go on
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

}  // namespace

void run_bench(const options& o, ordered_json& result) {
  require<value_error>(!o.sparsities.empty(), "--sparsity: at least one number expected");
  require<value_error>(o.rounds >= 1 && o.tokens >= 1,
                       "--rounds and --tokens: at least 1 expected");
  for (const double s : o.sparsities) check_sparsity(s);
  for (const std::size_t b : o.batches)
    require<value_error>(b >= 1 && b <= 64, "--batch: 1 to 64 sequences expected, got ", b);

  std::vector<std::unique_ptr<setup>> setups;
  std::map<std::string, std::size_t> packings;
  std::vector<candidate> candidates;
  std::vector<window> windows;
  for (const double sparsity : o.sparsities) {
    auto fresh = std::make_unique<setup>(o, sparsity);
    const auto [at, is_new] = packings.emplace(layouts_of(fresh->model), setups.size());
    if (is_new) setups.push_back(std::move(fresh));
    setup& s = *setups[at->second];
    if (windows.empty()) windows = calibration_windows(s, o);
    candidate c;
    c.sparsity = sparsity;
    c.model = at->second;
    if (sparsity != 0.0) c.table = calibrate(s, o, sparsity, windows);
    candidates.push_back(std::move(c));
  }
  const std::size_t prefill_tokens =
      std::min(longest_prefill, setups.front()->model.shape().context);
  std::vector<std::int32_t> text;
  for (const window& w : windows) text.insert(text.end(), w.begin(), w.end());
  const std::vector<std::int32_t> prompt(
      text.begin(),
      text.begin() + static_cast<std::ptrdiff_t>(std::min(prompt_tokens, text.size())));
  for (std::size_t i = 0; text.size() < prefill_tokens; ++i) text.push_back(text[i]);
  text.resize(prefill_tokens);

  std::vector<std::unique_ptr<decoder>> sessions;
  for (const auto& s : setups)
    sessions.push_back(
        make_decoder(*s, o, prefill_tokens, std::max(prefill_tokens, prompt.size() + o.tokens)));

  sampler greedy(0.0, 0);
  // The first round warms up and measures what is skipped; it is not timed.
  const progress report = show_progress("measuring");
  for (std::size_t round = 0; round <= o.rounds; ++round) {
    for (candidate& c : candidates) {
      setup& s = *setups[c.model];
      decoder& run = *sessions[c.model];
      const bool sparse = c.sparsity != 0.0;
      if (sparse) s.model.use(s.exec, c.table, c.table.model);
      run.thresholds_changed();
      sparsity_meter meter(s.model);
      const std::size_t prefix = sparse ? prompt.size() : prompt.size() + o.tokens;
      run.rewind();
      const generation g = generate(
          run, prompt, o.tokens + 1, prefix, -1, greedy, sparse && round == 0 ? &meter : nullptr,
          [](double) {}, [](std::int32_t) { stop_if_interrupted(); });
      run.rewind();
      const auto start = std::chrono::steady_clock::now();
      run.append(text, sparse ? 0 : prefill_tokens, nullptr);
      run.finish();
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (round == 0) {
        c.achieved = meter.total();
      } else {
        for (const std::size_t batch : o.batches) {
          stop_if_interrupted();
          c.batched[batch].push_back(time_batch(s, o, text, batch, o.tokens, !sparse));
        }
        c.decode.push_back(static_cast<double>(g.decoded) / g.decode_seconds);
        c.prefill.push_back(static_cast<double>(prefill_tokens) / seconds);
      }
    }
    report(static_cast<double>(round + 1) / static_cast<double>(o.rounds + 1));
  }

  result = describe(*setups.front(), o);
  result["prompt_tokens"] = prompt.size();
  result["decode_tokens"] = o.tokens;
  result["prefill_tokens"] = prefill_tokens;
  result["rounds"] = o.rounds;
  result["results"] = ordered_json::array();
  std::printf("sparsity  achieved  decode tokens/s  prefill tokens/s\n");
  for (const candidate& c : candidates) {
    const double decode = median(c.decode), prefill = median(c.prefill);
    result["results"].push_back({{"sparsity", c.sparsity},
                                 {"achieved_sparsity", c.achieved},
                                 {"decode_tokens_per_second", decode},
                                 {"prefill_tokens_per_second", prefill}});
    for (const auto& [batch, rates] : c.batched)
      result["results"].back()["batch_tokens_per_second"][std::to_string(batch)] = median(rates);
    std::printf("%8.2f  %8.3f  %15.1f  %16.1f\n", c.sparsity, c.achieved, decode, prefill);
    for (const auto& [batch, rates] : c.batched)
      std::printf("          batch of %2zu: %10.1f\n", batch, median(rates));
  }
}

}  // namespace llama
