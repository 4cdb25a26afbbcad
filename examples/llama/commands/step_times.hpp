// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// bench --parts: what the parts of decode steps took.
#pragma once

#include <array>
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

  // Medians over all steps so far, in milliseconds: `step`, one for each part, and `unaccounted`,
  // by how much the step's median differs from the sum of the parts' medians. At least one step.
  [[nodiscard]] nlohmann::ordered_json describe() const;

 private:
  std::vector<double> steps_;
  std::array<std::vector<double>, step_part_names.size()> parts_;
};

// A table of what describe() gave: milliseconds of each part, and its share of the step.
void print_parts(const nlohmann::ordered_json& times);

}  // namespace llama
