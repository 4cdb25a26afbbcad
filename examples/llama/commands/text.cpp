// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// inspect, generate, perplexity, calibrate.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "methods/perplexity.hpp"
#include "model/generation.hpp"
#include "model/sparsity_meter.hpp"
#include "sparsellm/calibrate/table_json.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

ordered_json sparsity_of(const sparsity_meter& meter) {
  ordered_json j{{"model", meter.total()}};
  for (const projection p : projections) j[name(p)] = meter.sparsity(p);
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

// What masks save: kept values and a bit a weight against all values, by layer, over the pruned
// projections, and over all tensors.
void add_pruning(const model_file& file, const config& c, ordered_json& result) {
  double kept_all = 0, dense_all = 0, other = 0;
  ordered_json layers = ordered_json::array();
  std::vector<std::size_t> kept(c.layers, 0), dense(c.layers, 0);
  for (const tensor& t : file.tensors()) {
    if (t.mask == nullptr) {
      other += static_cast<double>(t.bytes);
      continue;
    }
    const auto layer = static_cast<std::size_t>(std::strtoull(t.name.c_str() + 4, nullptr, 10));
    require<sparsellm::format_error>(layer < c.layers, "model: '", t.name, "' of ", c.layers,
                                     " layers");
    const std::size_t element = info_of(static_cast<std::uint32_t>(t.type))->bytes;
    kept[layer] += t.bytes + t.rows * ((t.cols + 7) / 8);
    dense[layer] += t.rows * t.cols * element;
  }
  for (std::size_t l = 0; l < c.layers; ++l) {
    if (dense[l] == 0) continue;
    layers.push_back({{"layer", l},
                      {"bytes", kept[l]},
                      {"dense_bytes", dense[l]},
                      {"of_dense", static_cast<double>(kept[l]) / static_cast<double>(dense[l])}});
    kept_all += static_cast<double>(kept[l]);
    dense_all += static_cast<double>(dense[l]);
  }
  if (layers.empty()) return;
  result["pruned"] = {{"linears_of_dense", kept_all / dense_all},
                      {"model_of_dense", (kept_all + other) / (dense_all + other)},
                      {"shuffled", std::any_of(file.orders().begin(), file.orders().end(),
                                               [](const block_orders& b) {
                                                 return std::any_of(b.begin(), b.end(),
                                                                    [](const auto& order) {
                                                                      return order.size() != 0;
                                                                    });
                                               })},
                      {"layers", layers}};
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
  add_pruning(file, c, result);
  for (const auto& [key, value] : result.items()) {
    if (key == "pruned") continue;
    std::printf("%-16s %s\n", key.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  if (!result.contains("pruned")) return;
  for (const ordered_json& layer : result["pruned"]["layers"])
    std::printf("layer %-10s %s of %s bytes, %.4f of dense\n", layer["layer"].dump().c_str(),
                layer["bytes"].dump().c_str(), layer["dense_bytes"].dump().c_str(),
                layer["of_dense"].get<double>());
  std::printf("linear layers    %.4f of dense\nmodel            %.4f of dense\n",
              result["pruned"]["linears_of_dense"].get<double>(),
              result["pruned"]["model_of_dense"].get<double>());
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
  const std::unique_ptr<decoder> run =
      make_decoder(s, o, std::min<std::size_t>(prompt.size(), 512), prompt.size() + o.tokens);
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
      generate(*run, prompt, o.tokens, prefix, s.tokenizer.eos(), pick, sparse ? &meter : nullptr,
               show_progress("reading the prompt"), show);
  std::fwrite(pending.data(), 1, pending.size(), stdout);
  result = describe(s, o);
  result["kv_cache_bytes"] = run->cache_bytes();
  result["prompt_ids"] = prompt;
  result["token_ids"] = g.ids;
  result["margins"] = g.margins;
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
  const std::unique_ptr<decoder> run = make_decoder(s, o, o.window, o.window);
  sparsity_meter meter(s.model);
  const perplexity_result r =
      measure_perplexity(s.exec, *run, windows, prefix, sparse ? &meter : nullptr,
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
