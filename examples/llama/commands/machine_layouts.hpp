// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// --layouts: what layouts are chosen by.
#pragma once

#include <optional>

#include "commands/commands.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/pack/layout_efficiencies.hpp"

namespace llama {

// Nothing without the option. For "family" the row that was measured on such processors; for a file
// this machine's row in it, which is measured and added where it is missing. Throws as
// load_efficiencies() and save_efficiencies() do.
[[nodiscard]] std::optional<sparsellm::layout_efficiencies> efficiencies_of(
    const options& o, sparsellm::cpu::executor& exec);

}  // namespace llama
