// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "commands/step_times.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "commands/terminal.hpp"
#include "model/generation.hpp"
#include "model/session.hpp"
#include "sparsellm/core/buffer.hpp"

namespace llama {

using nlohmann::ordered_json;

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
    steps_.push_back(clock);
  }
}

ordered_json step_times::describe() const {
  std::vector<step_clock> steps = steps_;
  std::sort(steps.begin(), steps.end(),
            [](const step_clock& a, const step_clock& b) { return a.whole() < b.whole(); });
  const std::size_t outside = steps.size() / 4, middle = steps.size() - 2 * outside;
  const auto mean = [&](const auto& of) {
    step_clock::duration sum{};
    for (std::size_t i = outside; i < outside + middle; ++i) sum += of(steps[i]);
    return std::chrono::duration<double, std::milli>(sum).count() / static_cast<double>(middle);
  };
  ordered_json times{{"step", mean([](const step_clock& s) { return s.whole(); })}};
  for (std::size_t p = 0; p < step_part_names.size(); ++p)
    times[std::string(step_part_names[p])] =
        mean([p](const step_clock& s) { return s.spent(static_cast<step_part>(p)); });
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
