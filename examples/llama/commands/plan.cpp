// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// plan: a dense model in, a pattern for each of its weights out.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/pruning_options.hpp"
#include "commands/setup.hpp"
#include "commands/terminal.hpp"
#include "cuda/session.hpp"
#include "files/pattern_name.hpp"
#include "methods/planning.hpp"
#include "methods/recorded_pass.hpp"
#include "sparsellm/core/output_file.hpp"

namespace llama {

using nlohmann::ordered_json;
using sparsellm::require;
using sparsellm::value_error;

namespace {

// "0.8" or "6:8".
double parse_size(const std::string& text) {
  if (text.find(':') != std::string::npos) {
    const sparsellm::nm_pattern p = parse_pattern(text);
    return size_of(p, {1, p.m});
  }
  double size = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, size);
  require<value_error>(read.ec == std::errc{} && read.ptr == end && size > 0 && size <= 1,
                       "--size: a number in (0, 1] or a pattern N:M expected, got '", text, "'");
  return size;
}

void require_way_back(const config& c) {
  try {
    check_way_back(c);
  } catch (const value_error& e) {
    sparsellm::raise<value_error>(
        sparsellm::concat(e.what(), "; --fisher-windows 0 plans by relative errors"));
  }
}

}  // namespace

void run_plan(const options& o, ordered_json& result) {
  require<value_error>(o.window >= 2, "--window: at least 2 tokens expected, got ", o.window);
  require<value_error>(o.tokens >= 2, "--tokens: at least 2 expected, got ", o.tokens);
  planning how;
  static_cast<saliency_options&>(how) = parse_saliency(o);
  static_cast<reconstruction_options&>(how) = parse_reconstruction(o);
  how.size = parse_size(o.size);
  how.patterns.clear();
  how.gradient_windows = o.fisher_windows;
  for (const std::string& text : o.patterns) how.patterns.push_back(parse_pattern(text));
  sparsellm::output_file file(o.output);
  setup s(o, 0.0);
  if (how.gradient_windows != 0) require_way_back(s.model.shape());
  const std::vector<window> windows = text_windows(s, o, o.text, o.tokens);
  const bool device = o.device == "cuda";
  const pattern_plan plan = plan_patterns(
      s.exec, s.model, windows, how,
      show_progress(device && how.gradient_windows != 0 ? "planning, gradients on the CPU"
                                                        : "planning"),
      device ? make_cuda_text : make_host_text);
  file.append(to_json(plan));
  file.commit();

  std::map<std::string, std::size_t> counts;
  double error = 0;
  for (const planned_weight& w : plan.weights) {
    ++counts[w.pattern.has_value() ? name(*w.pattern) : "dense"];
    error += w.error;
  }
  result = describe(s, o);
  result["output"] = o.output;
  result["size"] = plan.size();
  result["target_size"] = plan.target_size;
  result["patterns"] = counts;
  result["output_error"] = error / static_cast<double>(plan.weights.size());
  std::printf("%.4f of the dense linear layers, output error %.4f:", plan.size(),
              error / static_cast<double>(plan.weights.size()));
  for (const auto& [pattern, count] : counts) std::printf(" %zu %s", count, pattern.c_str());
  std::printf(" -> %s\n", o.output.c_str());
}

}  // namespace llama
