// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// All windows pass one step of a block before any passes the next: one histogram is alive at a
// time, and in the sequential case each step's thresholds are known before it runs.
#include "calibration.hpp"

#include <algorithm>
#include <string>

#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/observe/histogram.hpp"

namespace llama {

using sparsellm::buffer;
using sparsellm::histogram;
using sparsellm::site_observation;
using sparsellm::threshold_table;

namespace {

void observe_rows(sparsellm::cpu::executor& exec, const_rows x, std::size_t first,
                  histogram& into) {
  std::vector<histogram> parts(exec.concurrency());
  exec.parallel_for(parts.size(), [&](std::size_t p) {
    for (std::size_t r = first + p; r < x.rows(); r += parts.size()) parts[p].observe(x.row(r));
  });
  for (const histogram& part : parts) into.merge(part);
}

}  // namespace

std::vector<window> cut_windows(const std::vector<std::int32_t>& ids, std::size_t length,
                                std::size_t max_tokens) {
  const std::size_t tokens = std::min(ids.size(), max_tokens);
  sparsellm::require<sparsellm::value_error>(
      tokens >= 2, "calibration: at least 2 tokens of text expected, got ", tokens);
  std::vector<window> windows;
  for (std::size_t at = 0; at + length <= tokens; at += length)
    windows.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                         ids.begin() + static_cast<std::ptrdiff_t>(at + length));
  if (windows.empty())
    windows.emplace_back(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(tokens));
  return windows;
}

threshold_table calibrate_model(sparsellm::cpu::executor& exec, model& m,
                                const std::vector<window>& windows, const sparsellm::uniform& how,
                                bool sequential, std::size_t dense_prefix, const progress& report) {
  const config& c = m.shape();
  const std::size_t length = windows.front().size();
  const std::size_t dense_rows = sequential ? dense_prefix : length;
  // A dense forward pass stands for every position; a sparsified one shows what thresholds will
  // meet.
  const std::size_t observed = sequential ? dense_prefix : 0;
  sparsellm::require<sparsellm::value_error>(
      observed < length, "calibration: windows of ", length,
      " tokens leave nothing to observe after a dense prefix of ", dense_prefix);
  forward steps(exec, m, length, length);
  kv_cache cache(c, length);
  buffer<float> stream(windows.size() * length * c.width);
  buffer<float> inside(windows.size() * length * std::max(c.hidden, c.query_width()));
  buffer<float> normalised(length * c.width);
  const rows h(normalised.data(), length, c.width);
  const auto stream_of = [&](std::size_t w) {
    return rows(stream.data() + w * length * c.width, length, c.width);
  };
  const auto inside_of = [&](std::size_t w, std::size_t width) {
    return rows(inside.data() + w * length * width, length, width);
  };
  for (std::size_t w = 0; w < windows.size(); ++w)
    for (std::size_t t = 0; t < length; ++t) m.embed(windows[w][t], stream_of(w).row(t));

  threshold_table table;
  table.model = m.identity();
  table.method = how.method() + (sequential ? " sequential" : "");
  table.tokens = windows.size() * length;
  table.target_sparsity = how.target();

  for (std::size_t l = 0; l < c.layers; ++l) {
    block& b = m.blocks()[l];
    // Turns what was observed at an input into the thresholds of the projections that read it.
    const auto decide = [&](input where, const histogram& seen) {
      std::vector<site_observation> sites;
      for (std::size_t p = 0; p < projections.size(); ++p)
        if (input_of[p] == where)
          sites.push_back({{l, std::string(projections[p])}, m.extents_of(p), &seen});
      std::vector<float> thresholds;
      for (const auto& s : sparsellm::calibrate(how, sites).sites) {
        thresholds.push_back(s.threshold);
        table.add(s);
      }
      return thresholds;
    };
    {
      histogram seen;
      for (std::size_t w = 0; w < windows.size(); ++w) {
        steps.normalise(stream_of(w), b.attention_norm, h);
        observe_rows(exec, h, observed, seen);
      }
      b.qkv.set_thresholds(decide(input::attention, seen));
    }
    {
      histogram seen;
      for (std::size_t w = 0; w < windows.size(); ++w) {
        steps.normalise(stream_of(w), b.attention_norm, h);
        steps.attend(b, h, 0, dense_rows, cache, inside_of(w, c.query_width()));
        observe_rows(exec, inside_of(w, c.query_width()), observed, seen);
      }
      b.out.set_thresholds(decide(input::output, seen));
    }
    {
      histogram seen;
      for (std::size_t w = 0; w < windows.size(); ++w) {
        steps.add_product(b.out, inside_of(w, c.query_width()), dense_rows, stream_of(w));
        steps.normalise(stream_of(w), b.mlp_norm, h);
        observe_rows(exec, h, observed, seen);
      }
      b.gate_up.set_thresholds(decide(input::mlp, seen));
    }
    {
      histogram seen;
      for (std::size_t w = 0; w < windows.size(); ++w) {
        steps.normalise(stream_of(w), b.mlp_norm, h);
        steps.gate(b, h, dense_rows, inside_of(w, c.hidden));
        observe_rows(exec, inside_of(w, c.hidden), observed, seen);
      }
      b.down.set_thresholds(decide(input::down, seen));
    }
    for (std::size_t w = 0; w < windows.size(); ++w)
      steps.add_product(b.down, inside_of(w, c.hidden), dense_rows, stream_of(w));
    report(static_cast<double>(l + 1) / static_cast<double>(c.layers));
  }
  return table;
}

}  // namespace llama
