// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// generate: a prompt goes on.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "files/utf8.hpp"
#include "model/generation.hpp"
#include "model/sparsity_meter.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

double rate(std::size_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

}  // namespace

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
      generate(*run, prompt, o.tokens, prefix, s.tokenizer.stops(), pick, sparse ? &meter : nullptr,
               show_progress("reading the prompt"), show);
  std::fwrite(pending.data(), 1, pending.size(), stdout);
  result = describe(s, o);
  result["kv_cache_bytes"] = run->cache_bytes();
  result["prompt_ids"] = prompt;
  result["token_ids"] = g.ids;
  result["margins"] = g.margins;
  // A text cut between characters shows as what is whole of it.
  result["text"] = valid_utf8(s.tokenizer.decode(g.ids));
  result["prefill_tokens_per_second"] = rate(prompt.size(), g.prefill_seconds);
  result["decode_tokens_per_second"] = rate(g.decoded, g.decode_seconds);
  result["sparsity"] = describe(meter);
  result["bytes_per_token"] = meter.bytes_per_token();
  std::printf("\n\n%zu tokens, prefill %.1f tokens/s, decode %.1f tokens/s, %.1f %% skipped\n",
              g.ids.size(), rate(prompt.size(), g.prefill_seconds),
              rate(g.decoded, g.decode_seconds), 100 * meter.total());
}

}  // namespace llama
