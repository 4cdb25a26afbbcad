// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
#include "commands/machine_layouts.hpp"

#include <filesystem>
#include <string>
#include <system_error>

#include "sparsellm/core/output_file.hpp"
#include "sparsellm/cpu/family_efficiencies.hpp"
#include "sparsellm/model/measure_layouts.hpp"
#include "sparsellm/pack/efficiency_table.hpp"

namespace llama {

std::optional<sparsellm::layout_efficiencies> efficiencies_of(const options& o,
                                                              sparsellm::cpu::executor& exec) {
  if (o.layouts.empty()) return std::nullopt;
  if (o.layouts == "family") return sparsellm::cpu::family_efficiencies(exec.instruction_set());
  sparsellm::efficiency_table table;
  std::error_code unknown;  // what cannot be asked for is not there, or says why when it is read
  if (std::filesystem::exists(o.layouts, unknown)) table = sparsellm::load_efficiencies(o.layouts);
  const std::string machine = sparsellm::machine_name(exec);
  if (const auto* known = table.find(machine); known != nullptr) return *known;
  (void)sparsellm::output_file(o.layouts);  // refuses what cannot be written before it measures
  table.set(machine, sparsellm::measure_layouts(exec));
  sparsellm::save_efficiencies(table, o.layouts);
  return *table.find(machine);
}

}  // namespace llama
