// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// perplexity: a text is scored.
#include "methods/perplexity.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands/commands.hpp"
#include "commands/setup.hpp"
#include "commands/sweep.hpp"
#include "commands/terminal.hpp"
#include "methods/output_errors.hpp"
#include "model/sparsity_meter.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

void run_perplexity(const options& o, ordered_json& result) {
  require<value_error>(o.window >= 4, "--window: at least 4 tokens expected, got ", o.window);
  require<value_error>(o.windows >= 1, "--windows: at least 1 expected, got 0");
  if (o.sweep) return sweep(o, result);
  setup s(o, o.sparsity);
  const std::vector<window> windows = scored_windows(s.tokenizer, o);
  const bool sparse = use_thresholds(s, o, o.sparsity);
  const std::size_t prefix = !sparse ? o.window : dense_positions(o, o.window, 0);
  const std::unique_ptr<decoder> run = make_decoder(s, o, o.window, o.window);
  sparsity_meter meter(s.model);
  std::optional<output_errors> errors;
  if (o.output_error) errors.emplace(s.exec, s.model, o.window);
  const activation_observer observe = [&](std::size_t l, activation_site site, const_rows x) {
    const std::size_t dense = std::min(prefix, x.rows());
    meter.count(l, site, x, dense);
    if (errors) errors->add(l, site, x, dense);
  };
  const perplexity_result r =
      measure_perplexity(s.exec, *run, windows, prefix, sparse ? &observe : nullptr,
                         show_progress("measuring perplexity"));
  result = describe(s, o);
  result["text"] = o.text;
  result["window"] = o.window;
  result["windows"] = windows.size();
  result["stride"] = o.stride == 0 ? o.window : o.stride;
  result["dense_prefix"] = prefix;
  result["perplexity"] = std::exp(r.nll);
  result["nll"] = r.nll;
  result["perplexity_half2"] = std::exp(r.nll_half2);
  result["nll_half2"] = r.nll_half2;
  result["tokens_scored"] = r.tokens_scored;
  result["sparsity"] = describe(meter);
  if (errors) {
    ordered_json& of = result["output_error"];
    for (const projection p : s.model.shape().projections()) of[name(p)] = errors->of(p);
    of["model"] = errors->total();
  }
  std::printf(
      "perplexity %.4f (second half of each window %.4f) over %zu tokens, %.1f %% skipped\n",
      std::exp(r.nll), std::exp(r.nll_half2), r.tokens_scored, 100 * meter.total());
  if (errors) std::printf("output error %.4f\n", errors->total());
}

}  // namespace llama
