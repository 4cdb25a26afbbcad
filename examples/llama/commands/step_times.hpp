// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// bench --parts: what the parts of decode steps took.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "commands/setup.hpp"
#include "model/step_clock.hpp"

namespace llama {

class step_times {
 public:
  // Decodes so many steps greedily after the prompt, on the CPU, with the model's thresholds or
  // every channel, and remembers each. Throws `interrupted` after Ctrl-C.
  void decode(setup& s, const std::vector<std::int32_t>& prompt, std::size_t steps, bool dense);

  // Milliseconds, of at least one step: `step`, and one for each part. Means over the middle half
  // of the steps by their time: stalls do not count, and parts add up to the step, which medians of
  // parts do not where other programs disturb another part each time.
  [[nodiscard]] nlohmann::ordered_json describe() const;

 private:
  std::vector<step_clock> steps_;
};

// A table of what describe() gave: milliseconds of each part, and its share of the step.
void print_parts(const nlohmann::ordered_json& times);

}  // namespace llama
