// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// inspect, generate, perplexity, calibrate.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "generation.hpp"
#include "perplexity.hpp"
#include "setup.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsity_meter.hpp"
#include "terminal.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

ordered_json sparsity_of(const sparsity_meter& meter) {
  ordered_json j{{"model", meter.total()}};
  for (std::size_t p = 0; p < projections.size(); ++p)
    j[std::string(projections[p])] = meter.projection(p);
  return j;
}

double rate(std::size_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

// A text cut between characters shows as what is whole of it.
std::string valid_utf8(std::string text) {
  return ordered_json::parse(
      ordered_json(std::move(text)).dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

}  // namespace

void run_inspect(const options& o, ordered_json& result) {
  const model_source source(o.model);
  const model_file& file = source.file();
  const config c = read_config(file);
  const tokenizer t(file);
  std::size_t bytes = 0, weights = 0;
  ordered_json types = ordered_json::object();
  for (const tensor& x : file.tensors()) {
    const std::string type(info_of(static_cast<std::uint32_t>(x.type))->name);
    types[type] = types.value(type, 0) + 1;
    bytes += x.bytes;
    weights += x.rows * x.cols;
  }
  result = {{"model", c.name},
            {"layers", c.layers},
            {"width", c.width},
            {"hidden", c.hidden},
            {"heads", c.heads},
            {"kv_heads", c.kv_heads},
            {"head_size", c.head_size},
            {"rotary_base", c.rotary_base},
            {"context", c.context},
            {"vocabulary", c.vocabulary},
            {"tokenizer", file.text("tokenizer.ggml.model")},
            {"pretokenizer", file.text("tokenizer.ggml.pre", "")},
            {"tied_embeddings", file.find("output.weight") == nullptr},
            {"tensors", file.tensors().size()},
            {"tensor_types", types},
            {"weights", weights},
            {"bytes", bytes}};
  for (const auto& [key, value] : result.items())
    std::printf("%-16s %s\n", key.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
}

void run_generate(const options& o, ordered_json& result) {
  require<value_error>(o.tokens >= 1, "--tokens: at least 1 expected, got 0");
  sampler pick(o.temperature, o.seed);
  setup s(o, o.sparsity);
  std::vector<std::int32_t> prompt = s.tokenizer.encode(o.prompt);
  if (s.tokenizer.add_bos()) prompt.insert(prompt.begin(), s.tokenizer.bos());
  require<value_error>(!prompt.empty(), "--prompt: the text gives no tokens");
  const bool sparse = use_thresholds(s, o, o.sparsity);
  // As TEAL runs it: the prompt dense, then every step sparse.
  const std::size_t prefix =
      !sparse ? prompt.size() + o.tokens : dense_positions(o, prompt.size(), prompt.size());
  session run(s.exec, s.model, std::min<std::size_t>(prompt.size(), 512), prompt.size() + o.tokens);
  sparsity_meter meter(s.model);
  std::printf("%s", o.prompt.c_str());
  std::string pending;  // bytes whose character may not be whole yet
  const auto show = [&](std::int32_t id) {
    stop_if_interrupted();
    pending += s.tokenizer.decode({id});
    std::size_t whole = pending.size();
    while (whole > 0 && (pending[whole - 1] & 0x80) != 0) --whole;
    if (pending.size() - whole > 3) whole = pending.size();
    std::fwrite(pending.data(), 1, whole, stdout);
    std::fflush(stdout);
    pending.erase(0, whole);
  };
  const generation g =
      generate(run, prompt, o.tokens, prefix, s.tokenizer.eos(), pick, sparse ? &meter : nullptr,
               show_progress("reading the prompt"), show);
  std::fwrite(pending.data(), 1, pending.size(), stdout);
  result = describe(s, o);
  result["kv_cache_bytes"] = run.cache_bytes();
  result["prompt_ids"] = prompt;
  result["token_ids"] = g.ids;
  result["text"] = valid_utf8(s.tokenizer.decode(g.ids));
  result["prefill_tokens_per_second"] = rate(prompt.size(), g.prefill_seconds);
  result["decode_tokens_per_second"] = rate(g.decoded, g.decode_seconds);
  result["sparsity"] = sparsity_of(meter);
  std::printf("\n\n%zu tokens, prefill %.1f tokens/s, decode %.1f tokens/s, %.1f %% skipped\n",
              g.ids.size(), rate(prompt.size(), g.prefill_seconds),
              rate(g.decoded, g.decode_seconds), 100 * meter.total());
}

void run_perplexity(const options& o, ordered_json& result) {
  require<value_error>(o.window >= 4, "--window: at least 4 tokens expected, got ", o.window);
  require<value_error>(o.windows >= 1, "--windows: at least 1 expected, got 0");
  setup s(o, o.sparsity);
  const std::vector<std::int32_t> ids = read_ids(s.tokenizer, o.text);
  const std::size_t stride = o.stride == 0 ? o.window : o.stride;
  std::vector<window> windows;
  for (std::size_t at = 0; windows.size() < o.windows && at + o.window <= ids.size(); at += stride)
    windows.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                         ids.begin() + static_cast<std::ptrdiff_t>(at + o.window));
  require<value_error>(windows.size() == o.windows, "--windows: '", o.text, "' has ", ids.size(),
                       " tokens, enough for ", windows.size(), " windows of ", o.window, " every ",
                       stride, ", not ", o.windows);
  const bool sparse = use_thresholds(s, o, o.sparsity);
  const std::size_t prefix = !sparse ? o.window : dense_positions(o, o.window, 0);
  session run(s.exec, s.model, o.window, o.window);
  sparsity_meter meter(s.model);
  const perplexity_result r = measure_perplexity(run, windows, prefix, sparse ? &meter : nullptr,
                                                 show_progress("measuring perplexity"));
  result = describe(s, o);
  result["text"] = o.text;
  result["window"] = o.window;
  result["windows"] = windows.size();
  result["stride"] = stride;
  result["dense_prefix"] = prefix;
  result["perplexity"] = std::exp(r.nll);
  result["nll"] = r.nll;
  result["perplexity_half2"] = std::exp(r.nll_half2);
  result["nll_half2"] = r.nll_half2;
  result["tokens_scored"] = r.tokens_scored;
  result["sparsity"] = sparsity_of(meter);
  std::printf(
      "perplexity %.4f (second half of each window %.4f) over %zu tokens, %.1f %% skipped\n",
      std::exp(r.nll), std::exp(r.nll_half2), r.tokens_scored, 100 * meter.total());
}

void run_calibrate(const options& o, ordered_json& result) {
  check_sparsity(o.sparsity);
  require<value_error>(o.window >= 2, "--window: at least 2 tokens expected, got ", o.window);
  require<value_error>(o.tokens >= 2, "--tokens: at least 2 expected, got ", o.tokens);
  setup s(o, o.sparsity);
  const std::vector<window> windows = cut_windows(
      read_ids(s.tokenizer, o.text), std::min(o.window, s.model.shape().context), o.tokens);
  const sparsellm::threshold_table table = calibrate(s, o, o.sparsity, windows);
  save(table, o.output);
  result = describe(s, o);
  result["output"] = o.output;
  result["method"] = table.method;
  result["tokens"] = table.tokens;
  result["target_sparsity"] = table.target_sparsity;
  result["sites"] = table.sites.size();
  std::printf("%zu thresholds for %.0f %% from %zu tokens: %s\n", table.sites.size(),
              100 * table.target_sparsity, static_cast<std::size_t>(table.tokens),
              o.output.c_str());
}

}  // namespace llama
