// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Every sparsity packs the weights anew: in the layouts that suit it.
#include "commands/sweep.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "methods/perplexity.hpp"
#include "model/generation.hpp"
#include "model/sparsity_meter.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

constexpr double sparsities[] = {0.0, 0.25, 0.4, 0.5, 0.6};
constexpr std::size_t decoded = 48;  // tokens, after a prompt of as many

struct point {
  double asked = 0, achieved = 0, perplexity = 0, tokens_per_second = 0;
};

point measure(setup& s, const options& o, const std::vector<window>& windows, double sparsity) {
  char of[16];
  std::snprintf(of, sizeof of, "%.0f %%", 100 * sparsity);
  const bool sparse = use_thresholds(s, o, sparsity);
  const std::size_t prefix = !sparse ? o.window : dense_positions(o, o.window, 0);
  sparsity_meter meter(s.model);
  const std::unique_ptr<decoder> run = make_decoder(s, o, o.window, o.window);
  point p;
  p.asked = sparsity;
  const activation_observer count = meter.observer(prefix);
  p.perplexity =
      std::exp(measure_perplexity(s.exec, *run, windows, prefix, sparse ? &count : nullptr,
                                  show_progress(std::string("perplexity at ") + of))
                   .nll);
  p.achieved = meter.total();

  const window& first = windows.front();
  const std::vector<std::int32_t> prompt(
      first.begin(), first.begin() + static_cast<std::ptrdiff_t>(std::min(decoded, first.size())));
  sampler likeliest(0.0, o.seed);
  const std::unique_ptr<decoder> writing =
      make_decoder(s, o, prompt.size(), prompt.size() + decoded);
  const generation g =
      generate(*writing, prompt, decoded, sparse ? prompt.size() : prompt.size() + decoded, {},
               likeliest, nullptr, show_progress(std::string("decode at ") + of),
               [](std::int32_t) { stop_if_interrupted(); });
  if (g.decode_seconds > 0) p.tokens_per_second = static_cast<double>(g.decoded) / g.decode_seconds;
  return p;
}

// A bar of up to 30 signs.
std::string bar(double share) {
  return std::string(static_cast<std::size_t>(std::lround(30 * std::clamp(share, 0.0, 1.0))), '#');
}

void draw(const std::vector<point>& points) {
  double fastest = 0, worst = 0;
  for (const point& p : points) {
    fastest = std::max(fastest, p.tokens_per_second);
    worst = std::max(worst, p.perplexity);
  }
  std::printf("\n%8s  %-30s  %s\n", "", "speed", "perplexity (shorter is better)");
  for (const point& p : points)
    std::printf("%6.0f %%  %-30s  %s\n", 100 * p.asked, bar(p.tokens_per_second / fastest).c_str(),
                bar(p.perplexity / worst).c_str());
}

}  // namespace

void sweep(const options& o, ordered_json& result) {
  require<value_error>(o.thresholds.empty() && o.sparsity == 0.0,
                       "--sweep: calibrates for sparsities of its own; it goes with neither "
                       "--sparsity nor --thresholds");
  require<value_error>(o.score != "nonzero", "--sweep: the score 'nonzero' takes no sparsity");
  std::vector<point> points;
  std::vector<window> windows;
  for (const double sparsity : sparsities) {
    setup s(o, sparsity);
    if (points.empty()) {
      windows = scored_windows(s.tokenizer, o);
      result = describe(s, o);
      result["text"] = o.text;
      std::printf("skipped, asked  achieved  perplexity  x dense  decode tokens/s  x dense\n");
    }
    points.push_back(measure(s, o, windows, sparsity));
    const point &p = points.back(), &dense = points.front();
    const double cost = p.perplexity / dense.perplexity,
                 gain = p.tokens_per_second / dense.tokens_per_second;
    std::printf("%12.0f %%  %6.1f %%  %10.3f  %7.3f  %15.1f  %7.2f\n", 100 * p.asked,
                100 * p.achieved, p.perplexity, cost, p.tokens_per_second, gain);
    std::fflush(stdout);
    result["results"].push_back({{"sparsity", p.asked},
                                 {"achieved_sparsity", p.achieved},
                                 {"perplexity", p.perplexity},
                                 {"perplexity_over_dense", cost},
                                 {"decode_tokens_per_second", p.tokens_per_second},
                                 {"decode_over_dense", gain}});
  }
  if (::isatty(STDOUT_FILENO) != 0) draw(points);
}

}  // namespace llama
