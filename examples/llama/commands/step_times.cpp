// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "commands/step_times.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "commands/median.hpp"
#include "commands/terminal.hpp"
#include "model/generation.hpp"
#include "model/session.hpp"
#include "sparsellm/core/buffer.hpp"

namespace llama {

using nlohmann::ordered_json;

namespace {

double milliseconds(step_clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace

void step_times::decode(setup& s, const std::vector<std::int32_t>& prompt, std::size_t steps,
                        bool dense) {
  const std::size_t positions = prompt.size() + steps;
  session run(s.exec, s.model, prompt.size(), positions);
  sparsellm::buffer<float> logits(s.model.shape().vocabulary);
  const rows out(logits.data(), 1, logits.size());
  sampler greedy(0.0, 0);
  const std::size_t dense_prefix = dense ? positions : prompt.size();
  run.append(prompt, dense_prefix, nullptr);
  run.logits(prompt.size() - 1, out);
  std::int32_t next = greedy.pick(out.row(0));

  step_clock clock;
  run.steps().use_clock(&clock);
  for (std::size_t i = 0; i < steps; ++i) {
    stop_if_interrupted();
    clock.start();
    run.append({next}, dense_prefix, nullptr);
    run.logits(0, out);
    next = greedy.pick(out.row(0));
    clock.passed(step_part::choice);
    steps_.push_back(milliseconds(clock.whole()));
    for (std::size_t p = 0; p < parts_.size(); ++p)
      parts_[p].push_back(milliseconds(clock.spent(static_cast<step_part>(p))));
  }
}

ordered_json step_times::describe() const {
  const double step = median(steps_);
  ordered_json times{{"step", step}};
  double rest = step;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const double part = median(parts_[p]);
    times[std::string(step_part_names[p])] = part;
    rest -= part;
  }
  times["unaccounted"] = rest;
  return times;
}

void print_parts(const ordered_json& times) {
  const auto step = times.at("step").get<double>();
  for (const auto& [name, value] : times.items()) {
    const auto ms = value.get<double>();
    std::printf("          %-11s  %10.4f ms  %6.1f %%\n", name.c_str(), ms, 100.0 * ms / step);
  }
}

}  // namespace llama
