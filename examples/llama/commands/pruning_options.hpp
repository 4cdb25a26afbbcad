// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What plan and prune read from the command line alike. All throw value_error for what is none.
#pragma once

#include "commands/commands.hpp"
#include "methods/reconstruction_options.hpp"
#include "methods/saliencies.hpp"

namespace llama {

[[nodiscard]] saliency_options parse_saliency(const options& o);
[[nodiscard]] reconstruction_options parse_reconstruction(const options& o);

}  // namespace llama
